import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseChainFileName } from '../chain/chain-files.ts';
import { readLines } from '../chain/read-lines.ts';
import type { MacRules } from './mac-check.ts';
import { type ChainPart, type ChainSource, type VerifiedSource, verifyChains, verifySource } from './verify-chains.ts';

export interface VerifyOptions {
  readonly signal?: AbortSignal;
  readonly macs?: MacRules | undefined;
  /** Called with the name of each file before it is read. */
  readonly onPart?: (name: string) => void;
}

/** Checks one file by itself. */
export const verifyFile = (path: string, options: VerifyOptions = {}): Promise<VerifiedSource> =>
  verifySource({ parts: [partOf(path, options)] }, { macs: options.macs });

/**
 * Checks every chain of several directories together, oldest first. A chain may be spread over
 * several of them, for example when old files were moved.
 * @throws the system's error; AbortError
 */
export async function verifyDirectories(
  directories: readonly string[],
  options: VerifyOptions = {},
): Promise<VerifiedSource[]> {
  const paths: string[] = [];
  for (const directory of directories) {
    const names = (await readdir(directory)).filter((name) => name.endsWith('.ndjson'));
    paths.push(...names.map((name) => join(directory, name)));
  }
  return verifyChains(chainsOf(paths, options), ['retention', 'shipped'], options.macs);
}

/** Returns the files of each chain by part; a file with any other name stands alone. */
function chainsOf(paths: readonly string[], options: VerifyOptions): ChainSource[] {
  const sorted = paths.toSorted((a, b) => (basename(a) < basename(b) ? -1 : 1));
  const chains = Map.groupBy(sorted, (path) => parseChainFileName(basename(path))?.chain ?? path);
  return [...chains.values()].map((files) => ({
    parts: files.toSorted((a, b) => numberOf(a) - numberOf(b)).map((path) => partOf(path, options)),
  }));
}

const numberOf = (path: string): number => parseChainFileName(basename(path))?.part ?? 1;

function partOf(path: string, { signal, onPart }: VerifyOptions): ChainPart {
  const name = basename(path);
  const named = parseChainFileName(name);
  return {
    name,
    // A file gets its name when it is created, and its first record may be later.
    fits: ({ chain, at }) => named !== undefined && named.chain === chain && named.startsAt <= Date.parse(at),
    lines: () => {
      onPart?.(name);
      return readLines(path, signal);
    },
  };
}
