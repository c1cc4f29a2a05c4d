import type { AppendFile } from '../../src/audit/chain/append-log.ts';
import { openFileSink } from '../../src/audit/chain/file-sink.ts';
import type { AuditSink } from '../../src/audit/sink.ts';
import { eventOf, temporaryDirectory } from './chains.ts';

/**
 * The plan of a write call: it takes all bytes, takes `takes` bytes, or leaves `takes` bytes and
 * fails.
 */
export interface Write {
  readonly takes?: number;
  readonly error?: string;
}

/** A file in memory whose next calls follow the plan, and later ones succeed. */
export class PlannedFile implements AppendFile {
  content = Buffer.alloc(0);
  writes = 0;
  isClosed: boolean = false;
  plan: Write[] = [];
  /** Code of the failure of each truncation, while set. */
  truncateError: string | undefined;
  syncs = 0;
  /** Code of the failure of each sync, while set. */
  syncError: string | undefined;

  async write(bytes: Uint8Array): Promise<{ bytesWritten: number }> {
    this.writes += 1;
    const { takes = bytes.length, error } = this.plan.shift() ?? {};
    const taken = bytes.subarray(0, takes);
    this.content = Buffer.concat([this.content, taken]);
    if (error !== undefined) throw systemError(error);
    return { bytesWritten: taken.length };
  }

  async truncate(length: number): Promise<void> {
    if (this.truncateError !== undefined) throw systemError(this.truncateError);
    this.content = this.content.subarray(0, length);
  }

  async datasync(): Promise<void> {
    this.syncs += 1;
    if (this.syncError !== undefined) throw systemError(this.syncError);
  }

  interference(): undefined {
    return undefined;
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  get text(): string {
    return this.content.toString();
  }
}

const systemError = (code: string): Error => Object.assign(new Error(`${code}: planned`), { code });

export const recordsOf = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));

export const requestsOf = (text: string): unknown[] =>
  recordsOf(text)
    .filter(({ operation }) => operation === 'encrypt')
    .map(({ requestId }) => requestId);

export const recordEvents = (sink: AuditSink, from: number, to: number): Promise<void>[] =>
  Array.from({ length: to - from }, (_, index) => sink.record(eventOf(from + index)));

export async function openPlanned(retryMs = 3_600_000) {
  const directory = await temporaryDirectory();
  const file = new PlannedFile();
  const sink = await openFileSink({ directory: directory.path, createFile: async () => file, retryMs });
  return { sink, file, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}
