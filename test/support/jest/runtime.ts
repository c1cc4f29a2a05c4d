import { createRequire, registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import { type CoverageOptions, type FileCoverage, startCounting, takeCounts } from './coverage.ts';
import { setGlobals } from './globals.ts';

const require = createRequire(import.meta.url);
const GLOBALS = new URL('globals.ts', import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === '@jest/globals' && context.conditions.includes('import')
      ? { url: GLOBALS, format: 'module-typescript', shortCircuit: true }
      : next(specifier, context),
});

/** How often this worker has run each test file: once for each project. */
const runs = new Map<string, number>();

/**
 * Jest's module runtime: Node's own loader. Jest's own one loads every module for each test file
 * anew, which took two thirds of the CPU time. Our modules have no state, so they can be shared.
 */
export default class NodeRuntime {
  readonly #coverage: CoverageOptions;
  #counts: readonly FileCoverage[] = [];

  constructor(...[, , , , , coverage]: [unknown, unknown, unknown, unknown, unknown, CoverageOptions]) {
    this.#coverage = coverage;
  }

  /** Returns the test runner, loaded anew, since it has the state of one test file. */
  requireInternalModule(path: string): unknown {
    delete require.cache[path];
    Reflect.deleteProperty(globalThis, Symbol.for('EVENT_HANDLERS'));
    return require(path);
  }

  requireModule(path: string): unknown {
    return require(path);
  }

  setGlobalsForRuntime(globals: Parameters<typeof setGlobals>[0]): void {
    setGlobals(globals);
  }

  unstable_shouldLoadAsEsm(): boolean {
    return true;
  }

  /** Runs a test file. A second run needs another URL, since Node does not load a module twice. */
  async unstable_importModule(path: string): Promise<void> {
    const run = runs.get(path) ?? 0;
    runs.set(path, run + 1);
    const url = pathToFileURL(path);
    if (run > 0) url.searchParams.set('run', String(run));
    await import(url.href);
  }

  async collectV8Coverage(): Promise<void> {
    await startCounting();
  }

  async stopCollectingV8Coverage(): Promise<void> {
    this.#counts = await takeCounts(this.#coverage);
  }

  getAllV8CoverageInfoCopy(): readonly FileCoverage[] {
    return this.#counts;
  }

  getAllCoverageInfoCopy(): undefined {
    return undefined;
  }

  getSourceMaps(): null {
    return null;
  }

  enterTestCode(): void {}

  leaveTestCode(): void {}

  teardown(): void {
    for (const symbol of Object.getOwnPropertySymbols(globalThis)) {
      if (symbol.description === 'JEST_STATE_SYMBOL') Reflect.deleteProperty(globalThis, symbol);
    }
    setGlobals({});
  }
}
