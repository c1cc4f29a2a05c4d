import { join } from 'node:path';
import process from 'node:process';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';

/** Processes that tests start share their compiled modules: each starts with half the CPU time. */
process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, '../../../node_modules/.cache/compiled-for-tests');
/** The SDK reads it once for the whole module; some tests put a proxy before other hosts. */
process.env['NO_PROXY'] ??= 'localhost,127.0.0.1';

/**
 * A worker that has nothing left to do exits at once. By itself Node takes the heap apart before,
 * and after half a second Jest reports a worker that does not exit. Open handles still show: they
 * keep this event from coming.
 */
if (process.send !== undefined) process.once('beforeExit', () => process.exit());

/**
 * Jest's test environment: the worker's own realm. Modules are loaded once per worker, not once per
 * test file. What a file changes in the process is put back after it.
 */
export default class WorkerRealm {
  readonly global = globalThis;
  readonly fakeTimers = null;
  readonly fakeTimersModern = null;
  readonly moduleMocker = null;
  readonly #console = globalThis.console;
  readonly #exit = process.exit;
  readonly #exitCode = process.exitCode;
  readonly #variables = { ...process.env };
  readonly #trusted = getCACertificates('default');

  constructor({ projectConfig }: { readonly projectConfig: { readonly globals: object } }) {
    Object.assign(globalThis, projectConfig.globals);
  }

  getVmContext(): null {
    return null;
  }

  async setup(): Promise<void> {}

  async teardown(): Promise<void> {
    const hasIdentity = process.env['IDENTITY_ENDPOINT'] !== undefined;
    globalThis.console = this.#console;
    process.exit = this.#exit;
    process.exitCode = this.#exitCode;
    for (const name of Object.keys(process.env)) if (!(name in this.#variables)) delete process.env[name];
    Object.assign(process.env, this.#variables);
    if (getCACertificates('default') !== this.#trusted) setDefaultCACertificates([...this.#trusted]);
    if (!hasIdentity) return;
    const { forgetManagedIdentity } = await import('./managed-identity.ts');
    forgetManagedIdentity();
  }
}
