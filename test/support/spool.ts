import { type FileSinkOptions, openFileSink } from '../../src/audit/chain/file-sink.ts';
import { ClockWatch } from '../../src/audit/clock-watch.ts';
import { Shipper, type ShipperOptions } from '../../src/audit/shipping/shipper.ts';
import type { VerifiedSource } from '../../src/audit/verify/verify-chains.ts';
import { newAuditTable, type TestTable } from './audit-table.ts';
import { type Directory, temporaryDirectory } from './chains.ts';

const NEVER = 3_600_000;

/** A spool directory and the table to which it is shipped. */
export interface Spool extends AsyncDisposable, TestTable {
  readonly directory: Directory;
  /** Starts a process: its sink and its shipper, which ships on request. */
  start(change?: ProcessChange, sink?: Partial<FileSinkOptions>): Promise<SpoolProcess>;
  /** Returns all records of all files, as in the table once everything is shipped. */
  lines(): Promise<string[]>;
}

type SpoolProcess = Awaited<ReturnType<typeof startProcess>>;
type ProcessChange = Partial<ShipperOptions> & { readonly now?: () => number };

async function startProcess(
  directory: string,
  table: ShipperOptions['table'],
  { now, ...change }: ProcessChange,
  options: Partial<FileSinkOptions>,
) {
  const said: string[] = [];
  const sink = await openFileSink({
    directory,
    maxFileBytes: 2000,
    limit: () => shipper?.limit(),
    ...(now && { now }),
    ...options,
  });
  const clocks = new ClockWatch({
    now,
    onDisagreement: (seconds) => said.push(`clocks differ by ${seconds} s`),
    onAgreement: () => said.push('clocks agree'),
  });
  const shipper: Shipper | undefined = new Shipper({
    directory,
    sink,
    table,
    clocks,
    maxSpoolBytes: 1_000_000,
    keepMs: NEVER,
    onTrouble: () => said.push('trouble'),
    onRecovery: () => said.push('recovery'),
    onBadFile: (file, problem) => said.push(`${file}: ${String(problem)}`),
    onLost: (chain, from) => said.push(`${chain} lost its records from ${from}`),
    ...change,
    timing: {
      intervalMs: NEVER,
      retryMs: NEVER,
      scanMs: 0,
      idleMs: -1_000,
      closeMs: 5_000,
      ...change.timing,
    },
  });
  return { sink, shipper, clocks, said };
}

export async function newSpool(): Promise<Spool> {
  const directory = await temporaryDirectory();
  const database = await newAuditTable();
  return {
    ...database,
    directory,
    start: (change = {}, sink = {}) => startProcess(directory.path, change.table ?? database.table, change, sink),
    lines: async () => {
      const texts = await Promise.all((await directory.files()).map(directory.read));
      const lines = texts.flatMap((text) => text.split('\n').slice(0, text.endsWith('\n') ? -1 : undefined));
      return lines.sort(byPlace);
    },
    [Symbol.asyncDispose]: async () => {
      await database[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

export const placeOf = (line: string) => JSON.parse(line) as { readonly chain: string; readonly sequence: number };
const byPlace = (a: string, b: string) => {
  const [left, right] = [placeOf(a), placeOf(b)];
  return left.chain === right.chain ? left.sequence - right.sequence : left.chain < right.chain ? -1 : 1;
};

/** Returns the chains with a finding. */
export const badOnes = (found: readonly VerifiedSource[]): readonly VerifiedSource[] =>
  found.filter(({ firstBad, badLink }) => firstBad ?? badLink);
