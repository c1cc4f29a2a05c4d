import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { setImmediate as endOfTurn } from 'node:timers/promises';
import { ServiceError } from '../../errors.ts';
import type { AuditEvent } from '../event.ts';
import type { AuditSink } from '../sink.ts';
import type { AppendFile, Durability, Interference } from './append-log.ts';
import type { Removal } from './chain.ts';
import { findChainEnd } from './chain-files.ts';
import { ChainLog, type ChainPosition, filesOnDisk } from './chain-log.ts';
import { ChainWriter } from './chain-writer.ts';
import type { LineKey } from './line-key.ts';

export interface FileSinkOptions {
  /** Created when missing. Several processes may share it. */
  readonly directory: string;
  /** Makes the MACs of the lines; without it they have none. */
  readonly key?: LineKey | undefined;
  /** Default `write`. */
  readonly durability?: Durability;
  /** Size at which a chain continues in its next file; default 64 MiB. */
  readonly maxFileBytes?: number;
  /**
   * Returns the reason that no more records may be accepted although the file could store them;
   * undefined while they may.
   */
  readonly limit?: () => string | undefined;
  /** Milliseconds since 1970; default `Date.now`. */
  readonly now?: () => number;
  /**
   * Creates a file for appending and fails when it exists; default: on disk, for its owner only.
   */
  readonly createFile?: (path: string, durability: Durability) => Promise<AppendFile>;
  /**
   * Called when another program removed or changed the current file, and its records may be lost.
   */
  readonly onInterference?: (name: string, interference: Interference) => void;
  /** Pause before the sink itself retries a failed file; default 5 s. */
  readonly retryMs?: number;
  /** How often the file is marked as in use by a living process; default 30 s. */
  readonly heartbeatMs?: number;
}

/** Counts since the sink's start, and its delay. */
interface AuditCounts {
  readonly records: number;
  /** Writes of the file, each of one or more records. */
  readonly groups: number;
  /** Records refused, each counted once: for lack of room, or for a failed write. */
  readonly refused: number;
  readonly waiting: number;
  /** Age of the oldest record that is not written yet; 0 when none waits. */
  readonly lagMs: number;
}

/** The sink of one chain on disk. */
export interface FileSink extends AuditSink {
  readonly chain: string;
  position(): ChainPosition;
  /**
   * Records what this service is about to remove from a chain.
   * @throws ServiceError `audit-unavailable`
   */
  recordRemoval(removal: Removal): Promise<void>;
  /** Returns how often another program removed or changed the current file. */
  interferences(): number;
  counts(): AuditCounts;
}

const DEFAULT_MAX_FILE_BYTES = 64 * 1024 * 1024;
const DEFAULT_HEARTBEAT_MS = 30_000;

/** Begins a new chain in the directory. Its open record is written when this resolves. */
export async function openFileSink(options: FileSinkOptions): Promise<FileSink> {
  const { directory, now = Date.now, createFile = filesOnDisk(), durability = 'write' } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const continued = await findChainEnd(directory);
  const writer = new ChainWriter(randomUUID(), options.key);
  const startedAt = now();
  const maxFileBytes = options.maxFileBytes ?? DEFAULT_MAX_FILE_BYTES;
  const { onInterference = () => undefined } = options;
  const logOptions = { directory, chain: writer.chain, durability, maxFileBytes, createFile, onInterference };
  const log = await ChainLog.open(logOptions, startedAt);
  const { error } = await log.append(writer.open(startedAt, continued), 1, startedAt);
  if (error !== undefined) {
    await log.close();
    throw error;
  }
  writer.keep(1);
  return new ChainSink({
    writer,
    log,
    now,
    startedAt,
    limit: options.limit ?? (() => undefined),
    retryMs: options.retryMs ?? RETRY_AFTER_SECONDS * 1000,
    heartbeatMs: options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS,
  });
}

const RETRY_AFTER_SECONDS = 5;
/** Encoding this many blocks the event loop for about 2 ms. */
const MAX_GROUP = 1000;
/** A disk that hangs must not fill the memory. */
const MAX_WAITING = 50_000;

interface Waiting {
  /** Either an event or a removal, never both. */
  readonly event: AuditEvent | undefined;
  readonly removal: Removal | undefined;
  /** The record counts earlier refusals; if it is refused itself, it does not count as one. */
  readonly isNote: boolean;
  readonly at: number;
  readonly resolve: () => void;
  readonly reject: (error: ServiceError) => void;
}

interface ChainSinkParts {
  readonly writer: ChainWriter;
  readonly log: ChainLog;
  readonly now: () => number;
  readonly startedAt: number;
  readonly limit: () => string | undefined;
  readonly retryMs: number;
  readonly heartbeatMs: number;
}

/**
 * Writes records in groups, one write at a time: records that arrive during a write go into the
 * next group. A write begins at the end of a turn of the event loop, so that the requests which
 * arrived together share it. A record is encoded when its write begins, so a failed group leaves nothing that the
 * next one builds on. A refused record may still be in the chain, if its line was complete before
 * the disk filled up. An accepted record is never missing.
 */
class ChainSink implements FileSink {
  readonly #writer: ChainWriter;
  readonly #log: ChainLog;
  readonly #now: () => number;
  readonly #limit: () => string | undefined;
  readonly #retryMs: number;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #waiting: Waiting[] = [];
  #lastAt: number;
  #writing: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #trouble: string | undefined;
  /** Requests refused since the last record of refusals in the chain. */
  #refused = 0;
  #retry: NodeJS.Timeout | undefined;
  readonly #counts = { records: 0, groups: 0, refused: 0 };
  /** The arrival time of the first record of the group that is being written. */
  #groupSince: number | undefined;

  constructor({ writer, log, now, startedAt, limit, retryMs, heartbeatMs }: ChainSinkParts) {
    this.#writer = writer;
    this.#log = log;
    this.#now = now;
    this.#lastAt = startedAt;
    this.#limit = limit;
    this.#retryMs = retryMs;
    this.#heartbeat = setInterval(() => void log.touch(Date.now()), heartbeatMs).unref();
  }

  get chain(): string {
    return this.#writer.chain;
  }

  position(): ChainPosition {
    return this.#log.position();
  }

  record(event: AuditEvent): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(unavailable('closed'));
    const limit = this.#waiting.length >= MAX_WAITING ? 'too many records wait' : this.#limit();
    if (limit !== undefined) {
      this.#refuse(event.count, limit);
      return Promise.reject(unavailable('backlog'));
    }
    return this.#enqueue(event, undefined);
  }

  recordRemoval(removal: Removal): Promise<void> {
    return this.#closed === undefined ? this.#enqueue(undefined, removal) : Promise.reject(unavailable('closed'));
  }

  trouble(): string | undefined {
    return this.#closed === undefined ? this.#trouble : 'the audit chain is closed';
  }

  interferences(): number {
    return this.#log.interferences;
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

  #enqueue(event: AuditEvent | undefined, removal: Removal | undefined, isNote: boolean = false): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ event, removal, isNote, at: this.#time(), resolve, reject });
      this.#writing ??= this.#writeWaiting();
    });
  }

  /**
   * Returns the time of a record. Times never decrease within a chain, though a clock may: so
   * records older than a day are always its first ones.
   */
  #time(): number {
    const now = this.#now();
    if (now > this.#lastAt) this.#lastAt = now;
    return this.#lastAt;
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      await endOfTurn();
      await this.#writeGroup(this.#waiting.splice(0, MAX_GROUP));
    }
    this.#writing = undefined;
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    let text = '';
    for (const { at, event, removal } of group) {
      if (event !== undefined) text += this.#writer.event(at, event);
      else if (removal !== undefined) text += this.#writer.removed(at, removal);
    }
    this.#groupSince = group[0]?.at;
    const { lines, error } = await this.#log.append(text, group.length, group[0]?.at ?? this.#lastAt);
    this.#groupSince = undefined;
    this.#writer.keep(lines);
    if (error === undefined) {
      this.#trouble = undefined;
      this.#counts.groups += 1;
      this.#counts.records += group.length;
      for (const { resolve } of group) resolve();
      return;
    }
    const trouble = `the audit file cannot be written: ${causeOf(error)}`;
    for (const { event, isNote } of group) {
      if (isNote) this.#putOff(event?.count, trouble);
      else if (event !== undefined) this.#refuse(event.count, trouble);
    }
    const refusal = unavailable('write-failed', error);
    for (const { reject } of group) reject(refusal);
  }

  #refuse(count: number | undefined, trouble: string): void {
    this.#counts.refused += 1;
    this.#putOff(count, trouble);
  }

  /** Counts refused requests for a later record. */
  #putOff(count = 1, trouble: string): void {
    this.#trouble = trouble;
    this.#refused += count;
    if (this.#closed === undefined) this.#retry ??= setTimeout(() => this.#noteRefused(), this.#retryMs).unref();
  }

  /**
   * Records how many requests were refused because they could not be recorded. This is also the
   * retry that ends the failure: a process that is not ready gets no requests, so nothing else
   * would retry.
   */
  #noteRefused(): void {
    this.#retry = undefined;
    if (this.#refused === 0) return;
    const count = this.#refused;
    this.#refused = 0;
    const limit = this.#closed === undefined ? this.#limit() : undefined;
    if (limit !== undefined) {
      this.#putOff(count, limit);
      return;
    }
    const note = {
      operation: 'audit',
      outcome: 'failed',
      code: 'audit-unavailable',
      requestId: randomUUID(),
      count,
    } as const;
    // If it is refused itself, it is retried later.
    this.#enqueue(note, undefined, true).catch(() => undefined);
  }

  async #finish(): Promise<void> {
    clearInterval(this.#heartbeat);
    clearTimeout(this.#retry);
    this.#noteRefused();
    await this.#writing;
    const at = this.#time();
    const { lines, error } = await this.#log.append(this.#writer.close(at), 1, at);
    this.#writer.keep(lines);
    await this.#log.close();
    if (error !== undefined) throw unavailable('write-failed', error);
  }
}

function unavailable(reason: 'closed' | 'backlog' | 'write-failed', cause?: unknown): ServiceError {
  const detail = 'The operation could not be recorded in the audit log, so it is not answered';
  return new ServiceError('audit-unavailable', detail, { reason, retryAfter: RETRY_AFTER_SECONDS, cause });
}

/** Returns the system's code, such as `ENOSPC`, if there is one. */
const causeOf = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : error.message;
