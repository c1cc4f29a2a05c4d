import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseChainFileName } from '../chain/chain-files.ts';
import { readLines } from '../chain/read-lines.ts';
import type { MacRules } from './mac-check.ts';
import { type ChainPart, type ChainSource, type VerifiedSource, verifyChains, verifySource } from './verify-chains.ts';

/** Checks one file by itself. */
export const verifyFile = (path: string, signal?: AbortSignal, macs?: MacRules): Promise<VerifiedSource> =>
  verifySource({ parts: [partOf(path, signal)] }, { macs });

/**
 * Checks every chain of several directories together, oldest first. A chain may be spread over
 * several of them, for example when old files were moved.
 * @throws the system's error; AbortError
 */
export async function verifyDirectories(
  directories: readonly string[],
  signal?: AbortSignal,
  macs?: MacRules,
): Promise<VerifiedSource[]> {
  const paths: string[] = [];
  for (const directory of directories) {
    const names = (await readdir(directory)).filter((name) => name.endsWith('.ndjson'));
    paths.push(...names.map((name) => join(directory, name)));
  }
  return verifyChains(chainsOf(paths, signal), ['retention', 'shipped'], macs);
}

/** Returns the files of each chain by part; a file with any other name stands alone. */
function chainsOf(paths: readonly string[], signal: AbortSignal | undefined): ChainSource[] {
  const sorted = paths.toSorted((a, b) => (basename(a) < basename(b) ? -1 : 1));
  const chains = Map.groupBy(sorted, (path) => parseChainFileName(basename(path))?.chain ?? path);
  return [...chains.values()].map((files) => ({
    parts: files.toSorted((a, b) => numberOf(a) - numberOf(b)).map((path) => partOf(path, signal)),
  }));
}

const numberOf = (path: string): number => parseChainFileName(basename(path))?.part ?? 1;

function partOf(path: string, signal: AbortSignal | undefined): ChainPart {
  const name = basename(path);
  const named = parseChainFileName(name);
  return {
    name,
    // A file gets its name when it is created, and its first record may be later.
    fits: ({ chain, at }) => named !== undefined && named.chain === chain && named.startsAt <= Date.parse(at),
    lines: () => readLines(path, signal),
  };
}
