import type { KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreGone } from '../../lib/gone-files.ts';
import { readLines } from '../chain/read-lines.ts';
import { type Checkpoint, isSigned, parseCheckpoint } from './checkpoint.ts';
import { CHECKPOINT_FILE, ENTRIES_FILE } from './export-log.ts';
import { RecordNumbers } from './record-numbers.ts';
import { tilePath, tilesOf } from './tile-path.ts';
import { EMPTY_TREE, grow, HASH_BYTES, hashesIn, leafHash, rootOf } from './tree.ts';

/** The possible problems of an export, and their messages. */
export const exportProblems = {
  'not-a-checkpoint': 'the checkpoint is not one',
  'not-signed': 'none of the keys signed the checkpoint',
  'kept-not-a-checkpoint': 'the kept checkpoint is not one',
  'kept-not-signed': 'none of the keys signed the kept checkpoint',
  'other-log': 'the kept checkpoint is of another log: the logs were restarted, or it is another tenant’s',
  'went-back': 'the kept checkpoint has more entries, or is later: newer checkpoints are withheld',
  'not-consistent':
    'the log does not begin with the log of the kept checkpoint: its entries were changed, removed or moved',
  'hashes-missing': 'the tiles do not have the hashes of all entries',
  'wrong-root': 'the hashes do not lead to the root of the checkpoint',
  'entry-changed': 'the entry is not the one that was hashed: it was changed, or others were removed, added or moved',
  'entry-missing': 'the entry is missing although an earlier one is there',
  'entries-cut': 'the file of entries has another number of lines than the log has entries',
  'numbers-missing': 'records of the chain are missing before this entry, and no entry of type lost names them',
  'number-twice': 'the record stands in the log twice',
} as const;

export interface ExportProblem {
  readonly problem: keyof typeof exportProblems;
  /** Number of the entry, from 0. */
  readonly entry?: number;
}

export interface VerifiedExport {
  readonly checkpoint: Checkpoint | undefined;
  /** Entries of which only the hash is left. */
  readonly withoutLine: number;
  /** Entries of type `lost`. */
  readonly lost: number;
  /** At most the first of each kind. */
  readonly problems: readonly ExportProblem[];
}

/**
 * Checks an export: the signature, the root, every entry, the numbers of the tenant's records in
 * their chains, and with a kept checkpoint that the log only grew.
 * @param kept the text of a checkpoint of the same log that was kept from before
 * @throws the system's error; the signal's reason
 */
export async function verifyExport(
  folder: string,
  keys: readonly KeyObject[],
  kept: string | undefined,
  signal: AbortSignal,
): Promise<VerifiedExport> {
  const note = await readFile(join(folder, CHECKPOINT_FILE), 'utf8');
  const checkpoint = parseCheckpoint(note);
  if (!checkpoint) return { checkpoint, withoutLine: 0, lost: 0, problems: [{ problem: 'not-a-checkpoint' }] };
  const problems = new Problems();
  if (!isSigned(note, keys)) problems.add('not-signed');
  const old = kept === undefined ? undefined : keptCheckpoint(kept, keys, checkpoint, problems);
  const packed = await leavesOf(folder, checkpoint.size);
  const leaves = hashesIn(packed);
  if (leaves.length !== checkpoint.size) problems.add('hashes-missing');
  checkRoots(packed, checkpoint, old, problems);
  const found = await checkEntries(folder, leaves, problems, signal);
  return { checkpoint, ...found, problems: problems.list };
}

class Problems {
  readonly list: ExportProblem[] = [];

  add(problem: ExportProblem['problem'], entry?: number): void {
    if (this.list.some((one) => one.problem === problem)) return;
    this.list.push(entry === undefined ? { problem } : { problem, entry });
  }
}

function keptCheckpoint(
  note: string,
  keys: readonly KeyObject[],
  { origin, size, at }: Checkpoint,
  problems: Problems,
): Checkpoint | undefined {
  const kept = parseCheckpoint(note);
  if (!kept) {
    problems.add('kept-not-a-checkpoint');
    return undefined;
  }
  if (!isSigned(note, keys)) problems.add('kept-not-signed');
  if (kept.origin !== origin) problems.add('other-log');
  if (kept.size > size || Date.parse(kept.at) > Date.parse(at)) problems.add('went-back');
  return kept;
}

async function leavesOf(folder: string, size: number): Promise<Buffer> {
  const tiles: Buffer[] = [];
  for (const place of tilesOf(0, size)) {
    const tile = await readFile(join(folder, 'tile', '0', tilePath(place))).catch(ignoreGone);
    if (!tile) break;
    tiles.push(tile.subarray(0, tile.length - (tile.length % HASH_BYTES)));
  }
  return Buffer.concat(tiles);
}

function checkRoots(leaves: Buffer, { size, root }: Checkpoint, kept: Checkpoint | undefined, problems: Problems) {
  const keptBytes = Math.min((kept?.size ?? 0) * HASH_BYTES, leaves.length);
  const before = grow(EMPTY_TREE, leaves.subarray(0, keptBytes));
  if (kept?.size === before.size && !rootOf(before).equals(kept.root)) problems.add('not-consistent');
  const whole = grow(before, leaves.subarray(keptBytes));
  if (whole.size === size && !rootOf(whole).equals(root)) problems.add('wrong-root');
}

async function checkEntries(folder: string, leaves: readonly Buffer[], problems: Problems, signal: AbortSignal) {
  const numbers = new RecordNumbers();
  let [count, withoutLine] = [0, 0];
  for await (const text of readLines(join(folder, ENTRIES_FILE), signal)) {
    const line = text.endsWith('\n') ? text.slice(0, -1) : text;
    if (line === '') {
      if (withoutLine < count) problems.add('entry-missing', count);
      withoutLine += 1;
    } else if (!leaves[count]?.equals(leafHash(line))) problems.add('entry-changed', count);
    else numbers.add(line, count);
    count += 1;
  }
  if (count !== leaves.length) problems.add('entries-cut');
  for (const { problem, entry } of numbers.problems(withoutLine > 0)) problems.add(problem, entry);
  return { withoutLine, lost: numbers.lost };
}
