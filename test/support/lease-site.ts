import { afterAll, beforeAll } from '@jest/globals';
import type { HeldLeaf } from './lease-holder.ts';
import { ALL_ROLES, startService, type TestService } from './start-service.ts';

/** A report of no use. */
export const NOTHING = { sealed: 0, opened: {}, bytes: 0, isFinal: false };
/** The id of no lease. */
export const NO_LEASE = '00000000-0000-4000-8000-000000000000';
export const CONTEXT = { purpose: 'invoice' };
/** Longest lease of contoso, seconds. */
export const MAX_SECONDS = 120;

export interface Lease extends HeldLeaf {
  readonly leaseId: string;
  readonly keyId: string;
  readonly expiresInSeconds: number;
  readonly expiresAt: string;
  readonly maxMessages: number;
}

/** Returns the answer, which must have the status. */
export function checked<T extends { readonly status: number; readonly text: string }>(response: T, status: number): T {
  if (response.status !== status) throw new Error(`${response.status}: ${response.text}`);
  return response;
}

/** Returns status, code and reason of an answer. */
export const refusalOf = ({ status, body }: { readonly status: number; readonly body: Record<string, unknown> }) =>
  [status, body['code'], body['reason']].filter((part) => part !== undefined).join(' ');

/** Has a service that leases keys run for the tests of a file; returns its calls. */
export function leaseSite() {
  let service: TestService;
  beforeAll(async () => {
    service = await startService({
      compact: 'enabled',
      config: { metrics: { enabled: true, port: 0 } },
      tenant: (record) => {
        if (record['id'] === 'contoso')
          return { ...record, leases: { maxSeconds: MAX_SECONDS }, requiredContext: ['purpose'] };
        return record['id'] === 'fabrikam' ? { ...record, leases: { maxSeconds: 3_600 } } : record;
      },
      limits: { 'of-fabrikam': ['fabrikam'], 'of-all': ['*'], 'another-one': ['*'] },
    });
  });
  afterAll(async () => service[Symbol.asyncDispose]());

  const tokenOf = (roles: readonly string[] = ALL_ROLES, azp?: string) =>
    service.emulator.issueCallerToken({ roles, ...(azp !== undefined && { claims: { azp } }) });
  const post = async (path: string, body: unknown, token?: string) =>
    service.post(`/tenants/${path}`, body, token ?? (await tokenOf()));

  async function lease(tenant = 'contoso', token?: string): Promise<Lease> {
    return (await post(`${tenant}/leases`, {}, token).then((response) => checked(response, 200))).body as Lease;
  }

  const open = async (messages: readonly unknown[], tenant = 'contoso', token?: string) =>
    post(`${tenant}/leases/open`, { messages }, token);
  const report = async ({ leaseId }: Pick<Lease, 'leaseId'>, usage: object, tenant = 'contoso', token?: string) =>
    post(`${tenant}/leases/${leaseId}/usage`, { ...NOTHING, ...usage }, token);

  const decrypted = async (ciphertext: string, encryptionContext?: object, tenant = 'contoso') => {
    const { body } = await post(`${tenant}/decrypt`, { ciphertext, encryptionContext });
    return body.code ?? Buffer.from(body.plaintext, 'base64').toString();
  };

  const recordsOf = async (operation: string) =>
    (await service.auditRecords()).filter((record) => record['operation'] === operation);

  async function get(tenant: string) {
    return service
      .request()
      .get(`/tenants/${tenant}`)
      .set('Authorization', `Bearer ${await tokenOf()}`);
  }

  async function patch(tenant: string, change: object) {
    const { headers } = await get(tenant);
    return service
      .request()
      .patch(`/tenants/${tenant}`)
      .set('Authorization', `Bearer ${await tokenOf()}`)
      .set('If-Match', String(headers['etag']))
      .set('Content-Type', 'application/merge-patch+json')
      .send(JSON.stringify(change));
  }

  return { service: () => service, tokenOf, post, lease, open, report, decrypted, recordsOf, get, patch };
}
