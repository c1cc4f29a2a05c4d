import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChainWriter } from '../../src/audit/chain/chain-writer.ts';
import type { AuditEvent } from '../../src/audit/event.ts';

/** Returns the n-th request of a service with three tenants; every fifth has no tenant. */
export const eventOf = (n: number): AuditEvent => ({
  operation: 'encrypt',
  outcome: 'succeeded',
  requestId: `request-${n}`,
  principal: 'https://issuer.example/|billing',
  ...(n % 5 === 4 ? {} : { tenantId: `tenant-${n % 3}` }),
  bytes: n,
});

export const START = Date.UTC(2026, 10, 22, 8, 30, 0, 125);

/** Returns a whole chain in memory: open, `events` events, close. */
export function chainLines(chain: string, events: number): string[] {
  const writer = new ChainWriter(chain);
  const lines = [writer.open(START, undefined)];
  for (let n = 0; n < events; n += 1) lines.push(writer.event(START + n, eventOf(n)));
  lines.push(writer.close(START + events));
  return lines;
}

/** Returns the lines of a text in the verifier's form. */
export async function* linesOf(text: string): AsyncGenerator<string> {
  yield* text.split(/(?<=\n)/).filter((line) => line !== '');
}

export interface Directory extends AsyncDisposable {
  readonly path: string;
  /** Returns the chain files, oldest first. */
  files(): Promise<string[]>;
  read(file: string): Promise<string>;
}

export async function temporaryDirectory(): Promise<Directory> {
  const path = await mkdtemp(join(tmpdir(), 'vaultspan-audit-'));
  return {
    path,
    files: async () => (await readdir(path)).sort(),
    read: (file) => readFile(join(path, file), 'utf8'),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true }),
  };
}
