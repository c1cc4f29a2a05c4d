import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportLog } from '../../src/audit/receipts/export-log.ts';
import type { SqlDatabase } from '../../src/database/open-database.ts';
import { auditTable } from '../../src/database/tables/audit-table.ts';
import { logReader } from '../../src/database/tables/log-reader.ts';
import { chainLines } from './chains.ts';
import { logProcess, type MemoryKey, store } from './receipts.ts';
import { newSqlite } from './sql-databases.ts';

const TENANT = 'tenant-1';

/** Exports a tenant's log to a folder that it creates. */
async function exportTo(database: SqlDatabase, folder: string): Promise<void> {
  await exportLog(logReader(database), TENANT, folder, new AbortController().signal);
}

/** The same deployment at two times, and a second log that it shows to somebody else. */
export interface Exports {
  /** Folder of the export. */
  readonly latest: string;
  /** A checkpoint that the customer kept, of fewer entries. */
  readonly kept: string;
  /** The public key, PEM. */
  readonly key: string;
  /** An export under the same key and origin whose entries were changed before they were signed. */
  readonly forked: string;
  /** An export of the kept size. */
  readonly old: string;
}

const [A, B] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'];
const EVENTS = 1_500; // of 5 records one each is of the tenant, so that a tile is full

/** Makes the exports in an empty folder. */
export async function makeExports(folder: string, key: MemoryKey): Promise<Exports> {
  const at = (name: string) => join(folder, name);
  const chains = [chainLines(A, EVENTS), chainLines(B, EVENTS)] as const;
  await using honest = await newSqlite();
  await using forger = await newSqlite();
  const database = await honest.open();
  const process = logProcess({ database, key });
  await store(auditTable(database), chains[0]);
  await process.run();
  await exportTo(database, at('old'));
  await cp(join(at('old'), 'checkpoint'), at('kept'));
  await store(auditTable(database), chains[1]);
  await process.run();
  await exportTo(database, at('latest'));
  await process.close();

  key.mark_ = undefined; // the forger holds the key, and its database has the same chains but one record
  const second = await forger.open();
  const forging = logProcess({ database: second, key });
  const altered = chains[0].map((line) => line.replace('"requestId":"request-7"', '"requestId":"request-8"'));
  await store(auditTable(second), altered);
  await store(auditTable(second), chains[1]);
  await forging.run();
  await exportTo(second, at('forked'));
  await forging.close();
  await writeFile(at('key.pem'), key.pem);
  return { latest: at('latest'), kept: at('kept'), key: at('key.pem'), forked: at('forked'), old: at('old') };
}

/** Changes the lines of an export's entries. */
export async function changeEntries(folder: string, change: (lines: string[]) => string[]): Promise<void> {
  const path = join(folder, 'entries.ndjson');
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  await writeFile(path, `${change(lines).join('\n')}\n`);
}

/** The ways to tamper with an export, and the problem that each shows. */
export const TAMPERINGS: readonly (readonly [string, string, (folder: string) => Promise<void>])[] = [
  [
    'a record altered',
    'entry-changed',
    (folder) => changeEntries(folder, (lines) => lines.with(5, (lines[5] ?? '').replace('encrypt', 'decrypt'))),
  ],
  ['a record removed', 'entry-changed', (folder) => changeEntries(folder, (lines) => lines.toSpliced(5, 1))],
  ['the last record removed', 'entries-cut', (folder) => changeEntries(folder, (lines) => lines.slice(0, -1))],
  ['a record blanked', 'entry-missing', (folder) => changeEntries(folder, (lines) => lines.with(5, ''))],
  [
    'records reordered',
    'entry-changed',
    (folder) => changeEntries(folder, (lines) => lines.with(5, lines[6] ?? '').with(6, lines[5] ?? '')),
  ],
  [
    'a record inserted',
    'entry-changed',
    (folder) => changeEntries(folder, (lines) => lines.toSpliced(5, 0, lines[4] ?? '')),
  ],
  ['a hash altered', 'wrong-root', (folder) => changeTile(folder, (tile) => tile.fill(1, 0, 4))],
  ['hashes cut off', 'hashes-missing', (folder) => changeTile(folder, (tile) => tile.subarray(0, -32))],
  [
    'the size altered',
    'not-signed',
    (folder) => changeCheckpoint(folder, (text) => text.replace(/\n(\d+)\n/, '\n4\n')),
  ],
  [
    'the time altered',
    'not-signed',
    (folder) => changeCheckpoint(folder, (text) => text.replace(/timestamp 20/, 'timestamp 21')),
  ],
  ['the signature removed', 'not-signed', (folder) => changeCheckpoint(folder, (text) => text.replace(/— .*\n/, ''))],
  [
    'the checkpoint garbled',
    'not-a-checkpoint',
    (folder) => changeCheckpoint(folder, (text) => text.replace('\n', ' ')),
  ],
];

async function changeTile(folder: string, change: (tile: Buffer) => Buffer): Promise<void> {
  const path = join(folder, 'tile', '0', '000');
  await writeFile(path, change(await readFile(path)));
}

async function changeCheckpoint(folder: string, change: (text: string) => string): Promise<void> {
  const path = join(folder, 'checkpoint');
  await writeFile(path, change(await readFile(path, 'utf8')));
}
