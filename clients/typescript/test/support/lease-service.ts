import { randomBytes } from 'node:crypto';
import * as crypto from 'node:crypto';
import { fieldContexts, canonicalContext } from '../../src/local/canonical-context.ts';
import { Leaf } from '../../src/local/compact.ts';
import { type Answer, type FakeService, problem, sendJson, startFakeService } from './fake-service.ts';

interface Report {
  readonly sealed: number;
  readonly opened: Record<string, number>;
  readonly bytes: number;
  readonly isFinal: boolean;
}

interface LeasedMessage {
  readonly ciphertext: string;
  readonly encryptionContext?: Record<string, string>;
  readonly field?: string;
}

/** A service that leases keys, for one tenant and a key. Everything but leases is "encrypted" remotely. */
export interface LeaseService extends FakeService {
  /** Changes what a lease has. */
  terms: { expiresInSeconds: number; maxMessages: number; maxBytes: number; maxPlaintextBytes?: number; requiredContext?: string[] };
  /** Refuses leases with a problem while set. */
  refusal: Record<string, unknown> | undefined;
  /** The reports by lease, in their order. */
  readonly reports: Map<string, Report[]>;
  /** How often a path was asked for. */
  count(path: string): number;
}

export async function startLeaseService(): Promise<LeaseService> {
  const keys = new Map<string, Buffer>();
  const reports = new Map<string, Report[]>();
  const fake = (await startFakeService()) as LeaseService;
  const lease = () => {
    const kid = Buffer.concat([Buffer.alloc(8, 1), Buffer.of(0x80), randomBytes(7)]).toString('base64url');
    const key = randomBytes(32);
    keys.set(kid, key);
    const leaseId = `lease-${keys.size}`;
    return { leaseId, kid, key: key.toString('base64'), keyId: 'k', expiresAt: new Date().toISOString(), ...fake.terms };
  };
  const open = ({ ciphertext, encryptionContext = {}, field }: LeasedMessage) => {
    const kid = JSON.parse(Buffer.from(ciphertext.split('.')[0] ?? '', 'base64url').toString()).kid;
    const key = keys.get(kid);
    if (key === undefined) return { error: problem(422, 'unknown-key', { reason: 'not-leased' }) };
    try {
      const context = field === undefined ? canonicalContext(encryptionContext, undefined) : fieldContexts(encryptionContext, undefined, 1)(field);
      new Leaf(crypto, kid, Buffer.from(key)).open(ciphertext, context);
      const { expiresInSeconds } = fake.terms;
      return { kid, key: key.toString('base64'), keyId: 'k', expiresInSeconds, expiresAt: new Date().toISOString() };
    } catch {
      return { error: problem(422, 'undecryptable') };
    }
  };
  const answer: Answer = ({ url, body }, response) => {
    const call = url.replace('/tenants/contoso/', '');
    const usage = /^leases\/([\w-]+)\/usage$/.exec(call)?.[1];
    if (usage !== undefined) {
      reports.set(usage, [...(reports.get(usage) ?? []), body as unknown as Report]);
      response.writeHead(204).end();
    } else if (fake.refusal !== undefined && call.startsWith('leases')) sendJson(response, Number(fake.refusal['status']), fake.refusal);
    else if (call === 'leases') sendJson(response, 200, lease());
    else if (call === 'leases/open') sendJson(response, 200, { items: (body['messages'] as LeasedMessage[]).map(open) });
    else if (call === 'encrypt') sendJson(response, 200, { ciphertext: 'remote', keyId: 'k' });
    else if (call === 'decrypt') sendJson(response, 200, { plaintext: Buffer.from('remote').toString('base64'), keyId: 'k' });
    else if (call.startsWith('documents/')) {
      const fields = Object.fromEntries(Object.keys(body['fields'] as object).map((name) => [name, 'cmVtb3Rl']));
      sendJson(response, 200, { fields, keyId: 'k' });
    } else sendJson(response, 404, problem(404, 'route-not-found'));
  };
  fake.answer = answer;
  return Object.assign(fake, {
    terms: { expiresInSeconds: 300, maxMessages: 1000, maxBytes: 1_000_000 },
    refusal: undefined,
    reports,
    count: (path: string) => fake.seen.filter(({ url }) => url === `/tenants/contoso/${path}`).length,
  });
}
