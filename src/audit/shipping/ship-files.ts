import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditRow, AuditTable } from '../audit-table.ts';
import { listChainFiles } from '../chain/chain-files.ts';
import { readWholeLines } from '../chain/read-lines.ts';
import { rowOf } from './shipped-row.ts';

export interface ShippedFiles {
  readonly files: number;
  readonly records: number;
  /** How many of them were new to the table. */
  readonly added: number;
  /** Number of lines that are no records of their chain. */
  readonly passedOver: number;
}

/**
 * Stores every record of a directory's files that the table does not have, for example after an
 * older backup was restored. It does not disturb a running service: records that both ship are
 * stored once. `onFile` is called with each file's name before it is read.
 * @throws the system's error; ServiceError `registry-unavailable`; the signal's reason
 */
export async function shipFiles(
  table: Pick<AuditTable, 'add'>,
  directory: string,
  signal: AbortSignal,
  onFile: (name: string) => void = () => undefined,
): Promise<ShippedFiles> {
  const files = await listChainFiles(directory);
  const shipped = { files: files.length, records: 0, added: 0, passedOver: 0 };
  for (const { name, chain } of files) {
    onFile(name);
    const file = await open(join(directory, name));
    try {
      for await (const text of readWholeLines(file, 0, (await file.stat()).size)) {
        signal.throwIfAborted();
        const lines = text.toString('utf8', 0, text.length - 1).split('\n');
        const rows: readonly AuditRow[] = lines.map((line) => rowOf(line, chain)).filter((row) => row !== undefined);
        if (rows.length > 0) shipped.added += (await table.add(rows)) ?? 0;
        shipped.records += rows.length;
        shipped.passedOver += lines.length - rows.length;
      }
    } finally {
      await file.close();
    }
  }
  return shipped;
}
