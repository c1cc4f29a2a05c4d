import { join } from 'node:path';
import type { AuditTable } from '../audit-table.ts';
import { type ChainFile, findEndOfFile, listChainFiles } from '../chain/chain-files.ts';

/** The possible problems between the end of a chain in the files and in the database. */
export const endProblems = {
  'file-cut': 'the database has later records of this chain: the end of the file is missing',
  'not-in-database':
    'the database does not have the last records of this chain: `vaultspan audit ship --all` stores them',
} as const;

/** A chain whose ends in the files and in the database differ. */
export interface DifferentEnd {
  readonly file: string;
  readonly chain: string;
  /** Sequence number of the last record in the files, and in the database; -1 for none. */
  readonly inFiles: number;
  readonly inDatabase: number;
  readonly problem: keyof typeof endProblems;
}

/** A running process ships its records sooner than this. */
const SHIPPED_WITHIN_MS = 60_000;

/**
 * Returns the chains whose ends in the files and in the database differ. A cut end shows nowhere
 * else when no later chain continues it.
 * @throws the system's error; ServiceError `registry-unavailable`
 */
export async function compareEnds(
  directories: readonly string[],
  table: Pick<AuditTable, 'last'>,
  now: number,
): Promise<DifferentEnd[]> {
  const found: DifferentEnd[] = [];
  for (const { directory, file } of await lastFiles(directories)) {
    const end = await findEndOfFile(join(directory, file.name));
    if (typeof end !== 'object') continue;
    const inDatabase = (await table.last(file.chain))?.sequence ?? -1;
    const isWaiting = !end.isClosed && now - Date.parse(end.at) < SHIPPED_WITHIN_MS;
    const ends = { file: file.name, chain: file.chain, inFiles: end.sequence, inDatabase };
    if (inDatabase > end.sequence) found.push({ ...ends, problem: 'file-cut' });
    else if (inDatabase < end.sequence && !isWaiting) found.push({ ...ends, problem: 'not-in-database' });
  }
  return found;
}

/** Returns the file that has the last part of each chain. */
async function lastFiles(directories: readonly string[]) {
  const last = new Map<string, { readonly directory: string; readonly file: ChainFile }>();
  for (const directory of directories) {
    for (const file of await listChainFiles(directory)) {
      if ((last.get(file.chain)?.file.part ?? 0) < file.part) last.set(file.chain, { directory, file });
    }
  }
  return last.values();
}
