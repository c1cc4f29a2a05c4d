import type { Express } from 'express';
import { sendNothing } from '../answers/answer.ts';
import { operations } from '../contract/contract.ts';
import { scopeOf } from '../scope.ts';

/** Event Grid of the public cloud and of the two national ones. */
const EVENT_GRID = /^eventgrid\.azure\.(?:net|us|cn)$/;
/** Deliveries per minute, far below the rate that all rings share. */
const RATE = '120';

/**
 * Answers the handshake of "HTTP 1.1 Web Hooks for Event Delivery" (CloudEvents, section 4), by which
 * Event Grid asks whether it may deliver events in the CloudEvents schema to a doorbell. The answer is
 * the same for every bell. Other origins are refused, as every OPTIONS is.
 */
export function mountWebhookHandshake(app: Express): void {
  app.options(operations.ringDoorbell.path.replace('{bell}', ':bell'), (req, res, next) => {
    const origin = req.headers['webhook-request-origin'];
    if (typeof origin !== 'string' || !EVENT_GRID.test(origin)) {
      next();
      return;
    }
    const allowed = ['WebHook-Allowed-Origin', origin, 'WebHook-Allowed-Rate', RATE];
    sendNothing(res, ['X-Request-Id', scopeOf(res).requestId, ...allowed], 200);
  });
}
