import type { KeyObject } from 'node:crypto';
import type { LinedKey } from '../key-line.ts';
import type { KeyringStore, NewStoredKey } from '../keyring-store.ts';
import { isOurRow } from '../stored-key-jwe.ts';
import { copyFiles, readCopies } from './read-copies.ts';

/** Keys in one question to the database. */
const CHUNK = 500;

export interface RestoreCopiesDeps {
  readonly store: Pick<KeyringStore, 'missing' | 'restore' | 'markCopied'>;
  readonly originKeys: { current(): readonly KeyObject[] };
  /** Called with each key that the database had lost. */
  readonly onRestored: (key: NewStoredKey) => Promise<void>;
  /** Called with the number of lines of a file that are no copies of this deployment. */
  readonly onDamage: (file: string, lines: number) => void;
}

const nameOf = ({ tenantId, id }: Pick<LinedKey, 'tenantId' | 'id'>): string => `${tenantId} ${id}`;

/**
 * Restores the keys that a folder of copies has and the database lacks. A key that the copies call
 * destroyed stays so. The `mac` of each key is checked: who can write the folder makes no keys.
 * @throws ServiceError `registry-unavailable`, or the system's error
 */
export async function restoreCopies(deps: RestoreCopiesDeps, directory: string): Promise<void> {
  const files = await copyFiles(directory);
  const destroyed = new Set<string>();
  for (const file of files) {
    for await (const key of readCopies(file)) if (key && key.jwe === undefined) destroyed.add(nameOf(key));
  }
  for (const file of files) await restoreFile(deps, file, destroyed);
}

/**
 * Restores the keys of one file. A key that was rewrapped has several lines, and its last one is
 * restored: a vault may refuse the key version of the others already.
 */
async function restoreFile(deps: RestoreCopiesDeps, file: string, destroyed: ReadonlySet<string>): Promise<void> {
  const lost = await lostIn(deps, file, destroyed);
  if (lost.size === 0) return;
  let number = 0;
  for await (const line of readCopies(file)) {
    number += 1;
    const key = line && usable(line, deps);
    if (key === undefined || key === 'destroyed' || lost.get(nameOf(key)) !== number) continue;
    await restoreOne(deps, key);
  }
}

/** Returns the number of the last line of each key that the database lacks, and reports damage. */
async function lostIn(
  deps: RestoreCopiesDeps,
  file: string,
  destroyed: ReadonlySet<string>,
): Promise<ReadonlyMap<string, number>> {
  const lost = new Map<string, number>();
  let [number, damaged] = [0, 0];
  let chunk = new Map<string, { readonly key: NewStoredKey; readonly number: number }>();
  const ask = async () => {
    const names = chunk.size === 0 ? [] : await deps.store.missing([...chunk.values()].map(({ key }) => key));
    for (const name of names) lost.set(nameOf(name), chunk.get(nameOf(name))?.number ?? 0);
    chunk = new Map();
  };
  for await (const line of readCopies(file)) {
    number += 1;
    const key = line && usable(line, deps);
    if (key === undefined) damaged += 1;
    else if (key !== 'destroyed' && !destroyed.has(nameOf(key))) chunk.set(nameOf(key), { key, number });
    if (chunk.size >= CHUNK) await ask();
  }
  await ask();
  if (damaged > 0) deps.onDamage(file, damaged);
  return lost;
}

/**
 * Returns the key of a line; undefined unless its JWE agrees with the line and an origin key of
 * this deployment made its `mac`.
 */
function usable({ jwe, ...line }: LinedKey, { originKeys }: RestoreCopiesDeps): NewStoredKey | 'destroyed' | undefined {
  if (jwe === undefined) return 'destroyed';
  const key = { ...line, jwe };
  return isOurRow(key, originKeys.current()) ? key : undefined;
}

async function restoreOne({ store, onRestored }: RestoreCopiesDeps, key: NewStoredKey): Promise<void> {
  if ((await store.restore(key)) !== 'added') return;
  await store.markCopied([key]);
  await onRestored(key);
}
