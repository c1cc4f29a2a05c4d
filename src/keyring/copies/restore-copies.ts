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

async function restoreFile(deps: RestoreCopiesDeps, file: string, destroyed: ReadonlySet<string>): Promise<void> {
  let damaged = 0;
  let chunk = new Map<string, NewStoredKey>();
  for await (const line of readCopies(file)) {
    const key = line && usable(line, deps);
    if (key === undefined) damaged += 1;
    else if (key !== 'destroyed' && !destroyed.has(nameOf(key))) chunk.set(nameOf(key), key);
    if (chunk.size < CHUNK) continue;
    await restoreMissing(deps, chunk);
    chunk = new Map();
  }
  await restoreMissing(deps, chunk);
  if (damaged > 0) deps.onDamage(file, damaged);
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

async function restoreMissing(
  { store, onRestored }: RestoreCopiesDeps,
  keys: ReadonlyMap<string, NewStoredKey>,
): Promise<void> {
  if (keys.size === 0) return;
  for (const name of await store.missing([...keys.values()])) {
    const key = keys.get(nameOf(name));
    if (!key || (await store.restore(key)) !== 'added') continue;
    await store.markCopied([key]);
    await onRestored(key);
  }
}
