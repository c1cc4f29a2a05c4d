import { createHmac, createSecretKey, randomBytes } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from '@jest/globals';
import type { Visited } from '../../src/rounds/rounds.ts';
import { Webhook } from '../../src/rounds/webhook.ts';
import type { Tenant } from '../../src/tenants/record.ts';
import { until } from '../support/until.ts';

const secret = randomBytes(32);
const visited = (id: string): Visited => ({
  tenant: { id } as Tenant,
  check: { state: 'role-missing', checkedAt: '2026-11-23T08:00:00.000Z' },
  isChanged: true,
  previous: { state: 'passed', checkedAt: '2026-11-23T07:00:00.000Z' },
});

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Answers with these statuses in turn, then always with the last one. */
async function receiver(...statuses: number[]) {
  const received: Received[] = [];
  const answer = async (req: IncomingMessage, res: ServerResponse) => {
    received.push({ headers: req.headers, body: await text(req) });
    res.statusCode = statuses[Math.min(received.length, statuses.length) - 1] ?? 200;
    res.end();
  };
  const server = createServer((req, res) => void answer(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { readonly port: number };
  return {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function open(url: string) {
  const lost: unknown[] = [];
  const key = createSecretKey(secret);
  const webhook = new Webhook({
    url,
    key,
    wallMs: () => 1_700_000_000_000,
    onLost: (error) => lost.push(error),
    retryAfterMs: [1, 1],
  });
  return { webhook, lost };
}

describe('the webhook', () => {
  test('receives a change, signed so that the receiver can verify it', async () => {
    await using hook = await receiver(200);
    const { webhook, lost } = open(hook.url);
    webhook.send(visited('contoso'));
    await until(() => hook.received.length === 1);
    await webhook.close();
    const [{ headers, body }] = hook.received as [Received];
    expect(JSON.parse(body)).toMatchObject({
      type: 'tenant.state-changed',
      data: { tenantId: 'contoso', state: 'role-missing', previousState: 'passed' },
    });
    const signed = `${String(headers['webhook-id'])}.1700000000.${body}`;
    expect(headers['webhook-timestamp']).toBe('1700000000');
    expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', secret).update(signed).digest('base64')}`);
    expect(lost).toEqual([]);
  });

  test('retries with the same id after a failure, and nothing is lost', async () => {
    await using hook = await receiver(500, 503, 204);
    const { webhook, lost } = open(hook.url);
    webhook.send(visited('contoso'));
    await until(() => hook.received.length === 3);
    await webhook.close();
    expect(new Set(hook.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(lost).toEqual([]);
  });

  test('that never accepts it, or redirects, causes a loss that is reported', async () => {
    await using hook = await receiver(302);
    const { webhook, lost } = open(hook.url);
    webhook.send(visited('contoso'));
    await until(() => lost.length === 1);
    await webhook.close();
    expect(hook.received).toHaveLength(3);
  });
});
