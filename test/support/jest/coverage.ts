import { Session } from 'node:inspector/promises';
import { matchesGlob, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Jest's `collectCoverageFrom`, and the folder that its patterns are relative to. */
export interface CoverageOptions {
  readonly globalRootDir: string;
  readonly collectCoverageFrom: readonly string[];
}

/** The counts of one file, as V8 has them and Jest's reporter takes them. */
export interface FileCoverage {
  readonly result: { readonly url: string };
}

let session: Session | undefined;

/**
 * Counts what this worker runs from now on. Modules are loaded once, so that the counting continues
 * from one test file to the next.
 */
export async function startCounting(): Promise<void> {
  if (session !== undefined) return;
  session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
}

/** Returns the counts of the files since the previous call. */
export async function takeCounts({ globalRootDir, collectCoverageFrom }: CoverageOptions): Promise<FileCoverage[]> {
  if (session === undefined) return [];
  const isCounted = (path: string) => {
    const matches = (pattern: string) => matchesGlob(relative(globalRootDir, path), pattern);
    const [excluded, included] = [
      collectCoverageFrom.filter((pattern) => pattern.startsWith('!')).map((pattern) => pattern.slice(1)),
      collectCoverageFrom.filter((pattern) => !pattern.startsWith('!')),
    ];
    return included.some(matches) && !excluded.some(matches);
  };
  const { result } = await session.post('Profiler.takePreciseCoverage');
  return result
    .filter(({ url }) => url.startsWith('file:'))
    .map((script) => ({ result: { ...script, url: fileURLToPath(script.url) } }))
    .filter((file) => isCounted(file.result.url));
}
