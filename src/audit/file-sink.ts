import { randomUUID } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turnOfLoop } from 'node:timers/promises';
import { ServiceError } from '../errors.ts';
import { type AppendFile, AppendLog } from './append-log.ts';
import { chainFileName, findChainEnd } from './chain-files.ts';
import { ChainWriter } from './chain-writer.ts';
import type { AuditEvent } from './event.ts';
import type { AuditSink } from './sink.ts';

export interface FileSinkOptions {
  /** Created when missing. Several processes may share it. */
  readonly directory: string;
  /** Milliseconds since 1970; default `Date.now`. */
  readonly now?: () => number;
  /** Creates the chain's file for appending and fails when it exists; default: on disk, for its owner only. */
  readonly createFile?: (path: string) => Promise<AppendFile>;
  /** Pause before the sink itself tries a failed file again; default 5 s. */
  readonly retryMs?: number;
}

/** What a sink has done since its start, and how far behind it is. */
interface AuditCounts {
  readonly records: number;
  /** Writes of the file, each of one record or more. */
  readonly groups: number;
  /** Records refused: no room for them, or a write that failed. */
  readonly refused: number;
  readonly waiting: number;
  /** Age of the oldest record that is not written yet; 0 where none waits. */
  readonly lagMs: number;
}

export interface CountingSink extends AuditSink {
  counts(): AuditCounts;
}

/** Begins a new chain in the directory; its open record is written when this resolves. */
export async function openFileSink(options: FileSinkOptions): Promise<CountingSink> {
  const { directory, now = Date.now, createFile = createOnDisk, retryMs = RETRY_AFTER_SECONDS * 1000 } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const continued = await findChainEnd(directory);
  const writer = new ChainWriter(randomUUID());
  const startedAt = now();
  const file = await createFile(join(directory, chainFileName(new Date(startedAt).toISOString(), writer.chain)));
  const log = new AppendLog(file);
  const { error } = await log.append(writer.open(startedAt, continued), 1);
  if (error !== undefined) {
    await file.close();
    throw error;
  }
  writer.keep(1);
  return new FileSink({ writer, log, now, retryMs });
}

const createOnDisk = (path: string): Promise<AppendFile> => open(path, 'ax', 0o600);

const RETRY_AFTER_SECONDS = 5;
/** Encoding this many holds the event loop for about 2 ms. */
const MAX_GROUP = 1000;
/** A disk that hangs must not fill the memory. */
const MAX_WAITING = 50_000;

interface Waiting {
  readonly event: AuditEvent;
  readonly at: number;
  readonly resolve: () => void;
  readonly reject: (error: ServiceError) => void;
}

interface FileSinkParts {
  readonly writer: ChainWriter;
  readonly log: AppendLog;
  readonly now: () => number;
  readonly retryMs: number;
}

/**
 * Writes records in groups, one write at a time: what arrives during a write goes into the next one.
 * A record is encoded when its write begins, so a failed group leaves nothing behind that the next would build on. A
 * refused record may still stand in the chain, when its line was whole before the disk filled up: never the other way.
 */
class FileSink implements CountingSink {
  readonly #writer: ChainWriter;
  readonly #log: AppendLog;
  readonly #now: () => number;
  readonly #retryMs: number;
  readonly #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #trouble: string | undefined;
  /** Requests refused since the last note of it in the chain. */
  #refused = 0;
  #retry: NodeJS.Timeout | undefined;
  readonly #counts = { records: 0, groups: 0, refused: 0 };
  /** When the first record of the group now being written came. */
  #groupSince: number | undefined;

  constructor({ writer, log, now, retryMs }: FileSinkParts) {
    this.#writer = writer;
    this.#log = log;
    this.#now = now;
    this.#retryMs = retryMs;
  }

  record(event: AuditEvent): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(unavailable('closed'));
    if (this.#waiting.length >= MAX_WAITING) {
      this.#refuse([event], 'more records wait than may');
      return Promise.reject(unavailable('backlog'));
    }
    return this.#enqueue(event);
  }

  trouble(): string | undefined {
    return this.#closed === undefined ? this.#trouble : 'the audit chain is closed';
  }

  counts(): AuditCounts {
    const since = this.#groupSince ?? this.#waiting[0]?.at;
    const lagMs = since === undefined ? 0 : Math.max(0, this.#now() - since);
    return { ...this.#counts, waiting: this.#waiting.length, lagMs };
  }

  close(): Promise<void> {
    this.#closed ??= this.#finish();
    return this.#closed;
  }

  #enqueue(event: AuditEvent): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ event, at: this.#now(), resolve, reject });
      this.#writing ??= this.#writeWaiting();
    });
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      // Once the event loop has seen to every request that is there: a write by a thread costs as much as five records.
      await turnOfLoop();
      await this.#writeGroup(this.#waiting.splice(0, MAX_GROUP));
    }
    this.#writing = undefined;
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    let text = '';
    for (const { at, event } of group) text += this.#writer.event(at, event);
    this.#groupSince = group[0]?.at;
    const { lines, error } = await this.#log.append(text, group.length);
    this.#groupSince = undefined;
    this.#writer.keep(lines);
    if (error === undefined) {
      this.#trouble = undefined;
      this.#counts.groups += 1;
      this.#counts.records += group.length;
      for (const { resolve } of group) resolve();
      return;
    }
    this.#refuse(
      group.map(({ event }) => event),
      `the audit file can't be written: ${causeOf(error)}`,
    );
    const refusal = unavailable('write-failed', error);
    for (const { reject } of group) reject(refusal);
  }

  #refuse(events: readonly AuditEvent[], trouble: string): void {
    this.#trouble = trouble;
    for (const { count = 1 } of events) this.#refused += count;
    this.#counts.refused += events.length;
    if (this.#closed === undefined) this.#retry ??= setTimeout(() => this.#noteRefused(), this.#retryMs).unref();
  }

  /**
   * Writes down how many requests were refused for want of a record. It is also the attempt that ends the trouble when
   * nobody else makes one: a process that is not ready gets no requests.
   */
  #noteRefused(): void {
    this.#retry = undefined;
    if (this.#refused === 0) return;
    const count = this.#refused;
    this.#refused = 0;
    // Refused itself, it is counted back and tried again by #refuse.
    this.#enqueue({
      operation: 'audit',
      outcome: 'failed',
      code: 'audit-unavailable',
      requestId: randomUUID(),
      count,
    }).catch(() => undefined);
  }

  async #finish(): Promise<void> {
    clearTimeout(this.#retry);
    this.#noteRefused();
    await this.#writing;
    const { lines, error } = await this.#log.append(this.#writer.close(this.#now()), 1);
    this.#writer.keep(lines);
    await this.#log.close();
    if (error !== undefined) throw unavailable('write-failed', error);
  }
}

function unavailable(reason: 'closed' | 'backlog' | 'write-failed', cause?: unknown): ServiceError {
  const detail = 'The operation could not be recorded, so it is not answered.';
  return new ServiceError('audit-unavailable', detail, { reason, retryAfter: RETRY_AFTER_SECONDS, cause });
}

/** `ENOSPC` and its like say it best. */
const causeOf = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : error.message;
