import { createHmac, type KeyObject, randomUUID } from 'node:crypto';
import { retry } from '../lib/retry.ts';
import type { Visited } from './rounds.ts';

export interface WebhookOptions {
  readonly url: string;
  readonly key: KeyObject;
  readonly wallMs: () => number;
  /** Called when a change could not be delivered. */
  readonly onLost: (error: unknown) => void;
  /** Pauses before the retries, in milliseconds. */
  readonly retryAfterMs?: readonly number[];
}

const RETRY_AFTER_MS = [1_000, 10_000, 60_000];
const TIMEOUT_MS = 10_000;
/** Further changes are lost and reported: an unreachable receiver must not fill our memory. */
const MAX_WAITING = 1_000;

/**
 * Posts every change of a tenant's state to a receiver, signed as Standard Webhooks 1.0 defines it.
 * `webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over `ID.TIMESTAMP.BODY`. Delivery is
 * at least once, in no order.
 */
export class Webhook {
  readonly #options: WebhookOptions;
  readonly #waiting = new Set<Promise<void>>();
  readonly #stopping = new AbortController();

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  send({ tenant, check, previous }: Visited): void {
    if (this.#waiting.size >= MAX_WAITING) {
      this.#options.onLost(new Error('too many changes are waiting for the webhook'));
      return;
    }
    const body = JSON.stringify({
      type: 'tenant.state-changed',
      timestamp: check.checkedAt,
      data: { tenantId: tenant.id, state: check.state, previousState: previous?.state, check },
    });
    const delivery = this.#deliver(randomUUID(), body)
      .catch(this.#options.onLost)
      .finally(() => this.#waiting.delete(delivery));
    this.#waiting.add(delivery);
  }

  /** Waits for requests in progress; a delivery that waits for its retry is lost. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#waiting);
  }

  async #deliver(id: string, body: string): Promise<void> {
    const pausesMs = this.#options.retryAfterMs ?? RETRY_AFTER_MS;
    await retry(() => this.#post(id, body), { pausesMs, signal: this.#stopping.signal });
  }

  async #post(id: string, body: string): Promise<void> {
    const { url, key, wallMs } = this.#options;
    const timestamp = String(Math.floor(wallMs() / 1_000));
    const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`the webhook answered ${response.status}`);
  }
}
