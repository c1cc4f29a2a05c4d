import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { chainFileName, readLines } from './chain-files.ts';
import { type ParsedRecord, parseRecord } from './parse-record.ts';
import { type VerifiedChain, verifyChain } from './verify.ts';

/** What can be wrong between a chain and the one it continues. */
export const linkProblems = {
  'chain-missing': 'the chain it continues is not in this directory: moved away or removed',
  'record-missing': 'the record it continues is not in that chain: the chain was cut or changed',
} as const;

interface BadLink {
  /** The chain continued. */
  readonly chain: string;
  readonly problem: keyof typeof linkProblems;
}

export interface VerifiedFile extends VerifiedChain {
  readonly file: string;
  readonly badLink?: BadLink;
}

export const verifyFile = async (path: string, signal?: AbortSignal): Promise<VerifiedFile> => ({
  file: basename(path),
  ...(await verifyChain(readLines(path, signal))),
});

/** Checks every chain of a directory, oldest first, and that each continues a record that still exists. */
export async function verifyDirectory(directory: string, signal?: AbortSignal): Promise<VerifiedFile[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.ndjson')).sort();
  const opens = new Map<string, ParsedRecord>();
  for (const name of names) {
    const record = await readOpen(join(directory, name), signal);
    if (record !== undefined) opens.set(name, record);
  }
  // Chains of processes that run at the same time continue each other midway, so any record can be the wanted one.
  const wanted = new Set([...opens.values()].map(({ continues }) => continues));
  const found = new Map<string, Set<string>>();
  const files: VerifiedFile[] = [];
  for (const name of names) {
    const hashes = new Set<string>();
    const chain = await verifyChain(readLines(join(directory, name), signal), (hash) => {
      if (wanted.has(hash)) hashes.add(hash);
    });
    found.set(chain.chain ?? name, hashes);
    files.push(withNameChecked({ file: name, ...chain }, opens.get(name)));
  }
  return files.map((file) => withLinkChecked(file, opens.get(file.file), found));
}

async function readOpen(path: string, signal: AbortSignal | undefined): Promise<ParsedRecord | undefined> {
  for await (const line of readLines(path, signal)) {
    const record = parseRecord(line);
    return typeof record === 'string' || record.type !== 'open' ? undefined : record;
  }
}

/** A chain has one name, so a copy of it, or a chain in the place of another, shows. */
function withNameChecked(file: VerifiedFile, open: ParsedRecord | undefined): VerifiedFile {
  if (open === undefined || file.firstBad !== undefined || file.file === chainFileName(open.at, open.chain))
    return file;
  return { ...file, records: 0, firstBad: { line: 1, sequence: 0, problem: 'wrong-file-name' } };
}

function withLinkChecked(
  file: VerifiedFile,
  open: ParsedRecord | undefined,
  found: ReadonlyMap<string, ReadonlySet<string>>,
): VerifiedFile {
  const { continues, continuesChain: chain } = open ?? {};
  if (continues === undefined || chain === undefined) return file;
  const hashes = found.get(chain);
  if (hashes === undefined) return { ...file, badLink: { chain, problem: 'chain-missing' } };
  return hashes.has(continues) ? file : { ...file, badLink: { chain, problem: 'record-missing' } };
}
