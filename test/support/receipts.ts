import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { AuditTable } from '../../src/audit/audit-table.ts';
import { checkpointText, signedNote } from '../../src/audit/receipts/checkpoint.ts';
import { Checkpointer, type CheckpointerOptions, type ReceiptsKey } from '../../src/audit/receipts/checkpointer.ts';
import type { Gap } from '../../src/audit/receipts/log-table.ts';
import { Sequencer, type SequencerOptions } from '../../src/audit/receipts/sequencer.ts';
import { tilePath, tilesOf } from '../../src/audit/receipts/tile-path.ts';
import { EMPTY_TREE, grow, leafHash, rootOf, TILE_WIDTH } from '../../src/audit/receipts/tree.ts';
import { rowOf } from '../../src/audit/shipping/shipped-row.ts';
import type { SqlDatabase } from '../../src/database/open-database.ts';
import { checkpointTable } from '../../src/database/tables/log-checkpoints.ts';
import { logReader } from '../../src/database/tables/log-reader.ts';
import { sequencerTable } from '../../src/database/tables/log-sequencer.ts';

const NEVER_MS = 1_000_000_000;

/** A key of checkpoints in memory, as the home vault has it. */
export class MemoryKey implements ReceiptsKey {
  readonly #pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly publicKey = this.#pair.publicKey.export({ type: 'spki', format: 'der' });
  readonly pem = this.#pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  readonly key = createPublicKey(this.pem);
  readonly signed: string[] = [];
  mark_: string | undefined;
  /** Runs before a mark is set, and before a signature is made. */
  beforeMark: () => Promise<void> = async () => undefined;
  beforeSign: () => Promise<void> = async () => undefined;

  async read() {
    return { version: '1', publicKey: this.publicKey, mark: this.mark_ };
  }

  async mark(_version: string, mark: string): Promise<void> {
    await this.beforeMark();
    this.mark_ = mark;
  }

  async sign(_version: string, text: string): Promise<Uint8Array> {
    await this.beforeSign();
    this.signed.push(text);
    return sign('sha256', Buffer.from(text), this.#pair.privateKey);
  }

  /** Writes the entries of an export, their hashes, and a checkpoint of now that signs them. */
  async writeExport(folder: string, lines: readonly string[]): Promise<void> {
    const leaves = lines.map(leafHash);
    const tree = grow(EMPTY_TREE, Buffer.concat(leaves));
    await writeFile(join(folder, 'entries.ndjson'), lines.map((line) => `${line}\n`).join(''));
    await rm(join(folder, 'tile'), { recursive: true });
    for (const place of tilesOf(0, leaves.length)) {
      const path = join(folder, 'tile', '0', tilePath(place));
      await mkdir(dirname(path), { recursive: true });
      const from = place.index * TILE_WIDTH;
      await writeFile(path, Buffer.concat(leaves.slice(from, from + place.width)));
    }
    const [origin = ''] = (await readFile(join(folder, 'checkpoint'), 'utf8')).split('\n');
    const at = new Date().toISOString();
    const text = checkpointText({ origin, size: leaves.length, root: rootOf(tree), at });
    const note = signedNote(text, origin, this.publicKey, await this.sign('1', text));
    await writeFile(join(folder, 'checkpoint'), note);
  }
}

/** One process's part in the transparency log; nothing runs by itself. */
export interface LogProcess {
  readonly sequencer: Sequencer;
  readonly checkpointer: Checkpointer;
  readonly lost: Gap[];
  readonly failures: unknown[];
  /** Marks of the home vault for which it refused to sign. */
  readonly refusals: (string | undefined)[];
  /** Sequences all records, then signs all that is due. */
  run(): Promise<void>;
  close(): Promise<void>;
}

export interface LogProcessOptions {
  readonly database: SqlDatabase;
  readonly key: ReceiptsKey;
  readonly now?: () => number;
  readonly sequencer?: Partial<SequencerOptions>;
  readonly checkpointer?: Partial<CheckpointerOptions>;
}

export const ORIGIN = 'vendor.example/vaultspan';

export function logProcess({ database, key, now = Date.now, ...changes }: LogProcessOptions): LogProcess {
  const lost: Gap[] = [];
  const failures: unknown[] = [];
  const refusals: (string | undefined)[] = [];
  const watched = {
    now,
    checkpointMs: 0,
    onTrouble: (error: unknown) => failures.push(error),
    onRecovery: () => undefined,
  };
  const sequencer = new Sequencer({
    ...watched,
    table: sequencerTable(database),
    timing: { intervalMs: NEVER_MS, lostAfterMs: 0, searchMs: 0 },
    onLost: (gap) => lost.push(gap),
    ...changes.sequencer,
  });
  const checkpointer = new Checkpointer({
    ...watched,
    table: checkpointTable(database),
    key,
    origin: ORIGIN,
    signaturesPerSecond: 1_000,
    timing: { intervalMs: NEVER_MS, leaseMs: 0 },
    onRefused: (_anchor, mark) => refusals.push(mark),
    ...changes.checkpointer,
  });
  return {
    sequencer,
    checkpointer,
    lost,
    failures,
    refusals,
    run: async () => {
      await sequencer.run();
      await checkpointer.run();
    },
    close: async () => {
      await sequencer.close();
      await checkpointer.close();
    },
  };
}

/** Stores lines of a chain, each with its newline. */
export async function store(table: AuditTable, lines: readonly string[]): Promise<void> {
  const { chain } = JSON.parse(lines[0] ?? '') as { readonly chain: string };
  const rows = lines.map((line) => rowOf(line.trimEnd(), chain)).filter((row) => row !== undefined);
  await table.add(rows);
}

/** Returns all lines of a tenant's log. */
export const entriesOf = (database: SqlDatabase, tenantId: string): Promise<readonly (string | undefined)[]> =>
  logReader(database).lines(tenantId, 0, 1_000_000);
