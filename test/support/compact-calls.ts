import { join } from 'node:path';
import supertest from 'supertest';
import { type SecondProcess, startSecondProcess } from './second-process.ts';
import { branchKeysIn, type TestService } from './start-service.ts';

/** A process to call. */
export type Callee = Pick<SecondProcess, 'post' | 'url' | 'logLines'>;

interface Refusal {
  readonly code?: string;
  readonly reason?: string;
  readonly fix?: { readonly owner: string };
}

const PLAINTEXT = Buffer.from('a value').toString('base64');
const ROLES = ['Data.Encrypt', 'Data.Decrypt'];

/**
 * Returns calls of processes that share one emulated Azure and one SQLite database. Each call has a
 * token of its own, so a test may move the clock by days.
 */
export function compactCalls(service: () => TestService) {
  const token = (roles: readonly string[]) => service().emulator.issueCallerToken({ roles });
  const post = async (callee: Callee, path: string, body: object, tenant = 'contoso') =>
    callee.post(`/tenants/${tenant}/${path}`, body, await token(ROLES));
  return {
    token,
    post,
    /** Returns a new message, or the code and the reason of the refusal. */
    encrypt: async (callee: Callee, more: object = {}, tenant?: string): Promise<string> => {
      const { body } = await post(callee, 'encrypt', { plaintext: PLAINTEXT, ...more }, tenant);
      return (body as { readonly ciphertext?: string }).ciphertext ?? told(body as Refusal);
    },
    /** Returns the plaintext, or the code and the reason of the refusal. */
    decrypt: async (callee: Callee, ciphertext: string, more: object = {}, tenant?: string): Promise<string> => {
      const { body } = await post(callee, 'decrypt', { ciphertext, ...more }, tenant);
      const { plaintext } = body as { readonly plaintext?: string };
      return plaintext === undefined ? told(body as Refusal) : Buffer.from(plaintext, 'base64').toString();
    },
    /** Returns the parts in trouble that readiness names. */
    degraded: async (callee: Callee): Promise<readonly string[]> => {
      const { body } = await supertest(callee.url).get('/readyz');
      return (body as { readonly degraded?: readonly string[] }).degraded ?? [];
    },
    /** Starts another process on the same database, by default with the same settings. */
    startWith: (branchKeys: object = branchKeysIn(service().folder), more: object = {}): Promise<SecondProcess> =>
      startSecondProcess(service(), {
        registry: {},
        database: { file: join(service().folder, 'vaultspan.db') },
        audit: { directory: join(service().folder, 'audit') },
        branchKeys,
        ...more,
      }),
  };
}

const told = ({ code = 'ok', reason }: Refusal): string => (reason === undefined ? code : `${code} ${reason}`);

/** Returns the id of the branch that a compact message names. */
export function branchIdOf(ciphertext: string): string {
  const { kid } = JSON.parse(Buffer.from(ciphertext.split('.')[0] ?? '', 'base64url').toString()) as { kid: string };
  return Buffer.from(kid, 'base64url').subarray(0, 8).toString('base64url');
}
