import { join } from 'node:path';
import { ignoreGone, statIfThere } from '../../lib/gone-files.ts';
import type { AuditPageQuery, AuditPlace } from '../audit-table.ts';
import { type ChainFile, listChainFiles } from '../chain/chain-files.ts';
import type { ParsedRecord } from '../chain/parse-record.ts';
import { BackwardReader, type PlacedLine } from './read-backwards.ts';
import { hasMarks, isWanted, marksOf } from './record-filter.ts';
import { type AuditRecords, comparePlaces, type RecordPage, type RecordQuery, recordOf } from './record-page.ts';

/**
 * The most bytes of lines that are read for one page: about 30 ms of work. A tenant's records may
 * be far apart.
 */
const PAGE_BYTES = 16 * 1024 * 1024;

interface OpenFile {
  readonly reader: BackwardReader;
  /** The newest line that has not been returned yet. */
  head: PlacedLine;
}

interface FileSpan {
  readonly path: string;
  /** No record of the file is newer. */
  readonly endsAt: number;
}

/**
 * Returns a reader of this directory's files, from the newest record back. It covers the processes
 * that share the directory.
 */
export const fileRecords = (directory: string, pageBytes = PAGE_BYTES): AuditRecords => ({
  page: (query) => readPage(directory, query, pageBytes),
});

async function readPage(directory: string, query: RecordQuery, pageBytes: number): Promise<RecordPage> {
  const lines = new NewestFirst(await spansOf(directory, query), query);
  try {
    return await collect(lines, query, pageBytes);
  } finally {
    await lines.close();
  }
}

async function collect(lines: NewestFirst, query: RecordQuery, pageBytes: number): Promise<RecordPage> {
  const { from = 0, limit } = query;
  const find = finder(query);
  const records: ParsedRecord[] = [];
  let next: AuditPlace | undefined;
  for (let line = await lines.next(); line && line.place.at >= from; line = await lines.next()) {
    const record = find(line.bytes);
    const isFull = records.length === limit;
    if (record && isFull) return pageOf(records, next);
    // After a full page, the next page begins after its last record; after a search that stopped
    // early, it begins where the search stopped.
    if (!isFull) next = line.place;
    if (record) records.push(record);
    if (lines.bytesTaken >= pageBytes) return pageOf(records, next);
  }
  return { records };
}

/**
 * Returns a filter of a tenant's lines that a query asks for. Most lines belong to other tenants: their bytes show it
 * before anything is parsed.
 */
function finder({ tenantId, filter }: RecordQuery): (bytes: Buffer) => ParsedRecord | undefined {
  const mark = Buffer.from(`"tenantId":${JSON.stringify(tenantId)}`);
  const marks = marksOf(filter);
  return (bytes) => {
    if (!bytes.includes(mark)) return undefined;
    const line = bytes.toString();
    const record = hasMarks(line, marks) ? recordOf(line, tenantId) : undefined;
    return record && isWanted(record, filter) ? record : undefined;
  };
}

const pageOf = (records: readonly ParsedRecord[], next: AuditPlace | undefined): RecordPage =>
  next ? { records, next } : { records };

const newestOf = ({ to = Number.POSITIVE_INFINITY, before }: AuditPageQuery): number =>
  Math.min(to - 1, before?.at ?? Number.POSITIVE_INFINITY);

const isTooNew = (place: AuditPlace, query: AuditPageQuery): boolean =>
  place.at > newestOf(query) || (query.before !== undefined && comparePlaces(place, query.before) >= 0);

/** Returns the files that may have records of the requested time, the newest end last. */
async function spansOf(directory: string, query: AuditPageQuery): Promise<FileSpan[]> {
  const files = await listChainFiles(directory);
  const newest = newestOf(query);
  const spans: FileSpan[] = [];
  for (const parts of Map.groupBy(files, ({ chain }) => chain).values()) {
    for (const [at, file] of parts.entries()) {
      if (file.startsAt > newest) continue;
      const path = join(directory, file.name);
      const endsAt = await endOf(path, parts[at + 1]);
      if (endsAt >= (query.from ?? 0)) spans.push({ path, endsAt });
    }
  }
  return spans.sort((a, b) => a.endsAt - b.endsAt);
}

/** Returns the time of a file's last write; a file that no longer exists is skipped. */
async function endOf(path: string, next: ChainFile | undefined): Promise<number> {
  if (next) return next.startsAt;
  const stats = await statIfThere(path);
  return stats ? Math.ceil(stats.mtimeMs) : -1;
}

/** Merges files; each is opened when its time is reached. */
class NewestFirst {
  bytesTaken = 0;
  readonly #waiting: FileSpan[];
  readonly #query: AuditPageQuery;
  readonly #open: OpenFile[] = [];

  constructor(spans: FileSpan[], query: AuditPageQuery) {
    this.#waiting = spans;
    this.#query = query;
  }

  async next(): Promise<PlacedLine | undefined> {
    await this.#openDue();
    const file = this.#newestOpen();
    if (!file) return;
    const line = file.head;
    this.bytesTaken += line.bytes.length;
    const following = await file.reader.next();
    if (following) file.head = following;
    else await this.#drop(file);
    return line;
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map(({ reader }) => reader.close()));
  }

  async #openDue(): Promise<void> {
    for (let span = this.#waiting.at(-1); span; span = this.#waiting.at(-1)) {
      const open = this.#newestOpen();
      if (open && open.head.place.at > span.endsAt) return;
      this.#waiting.pop();
      await this.#openFile(span.path);
    }
  }

  async #openFile(path: string): Promise<void> {
    const reader = await BackwardReader.open(path, newestOf(this.#query)).catch(ignoreGone);
    if (!reader) return;
    let head = await reader.next();
    while (head && isTooNew(head.place, this.#query)) head = await reader.next();
    if (head) this.#open.push({ reader, head });
    else await reader.close();
  }

  #newestOpen(): OpenFile | undefined {
    let newest: OpenFile | undefined;
    for (const file of this.#open) {
      if (!newest || comparePlaces(file.head.place, newest.head.place) > 0) newest = file;
    }
    return newest;
  }

  async #drop(file: OpenFile): Promise<void> {
    this.#open.splice(this.#open.indexOf(file), 1);
    await file.reader.close();
  }
}
