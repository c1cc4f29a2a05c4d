import type { Access } from './access.ts';
import type { BatchOptions } from './coalescer.ts';
import { checkTimeout } from './deadline.ts';
import { VaultspanError } from './errors.ts';
import { kindOf } from './kind-of.ts';
import { type LocalKeys, openLocalKeys } from './local/local-keys.ts';
import type { Time } from './local/time.ts';
import { checkNames } from './options.ts';
import { TenantClient } from './tenant.ts';
import type { TenantParts } from './tenant-parts.ts';
import { type TokenSource, tokensOf } from './token.ts';
import { openTransport } from './transport.ts';

/** How the client reaches the service. */
export interface VaultspanOptions {
  /** Address of the service. Plain HTTP only on this machine. */
  readonly url: string | URL;
  readonly token: TokenSource;
  /** Milliseconds until a call fails with `timed-out`; default 10,000. */
  readonly timeoutMs?: number;
  /** How calls travel together; `false` sends each by itself. */
  readonly batch?: BatchOptions | false;
  /**
   * Seals and opens in this process, with keys that are leased for minutes (`docs/leases.md` of the service); calls that
   * may not be done here go by the service. `required`: they fail instead. Needs Node. Default: all goes by the service.
   */
  readonly local?: boolean | 'required';
  /** The fetch to use, such as one with a proxy or a private CA; default the runtime's. */
  readonly fetch?: typeof globalThis.fetch;
}

const DEFAULTS = { timeoutMs: 10_000, maxItems: 1000, maxBytes: 1_048_576, maxWaitMs: 0 };

const OPTIONS = new Set(['url', 'token', 'timeoutMs', 'batch', 'local', 'fetch']);
const BATCH_OPTIONS = new Set(['maxItems', 'maxBytes', 'maxWaitMs']);
const TENANT_OPTIONS = new Set(['access']);
const LOCAL = new Set<unknown>([true, false, 'required']);

/** A client of the service. One per process is enough: it has no state but its tokens and open requests. */
export class Vaultspan {
  readonly #parts: TenantParts;
  readonly #url: URL;
  readonly #local: LocalKeys | undefined;
  /** How many calls are under way, and what is called when the last of them has ended. */
  #open = 0;
  #whenIdle: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  /** @throws TypeError for an address that is none, or plain HTTP to another machine */
  constructor(options: VaultspanOptions, time?: Time) {
    checkNames(options, OPTIONS);
    const { url, token, timeoutMs = DEFAULTS.timeoutMs, batch = {}, local = false, fetch } = options;
    this.#url = baseOf(url);
    checkTimeout(timeoutMs);
    if (!LOCAL.has(local)) throw new TypeError("local must be true, false or 'required'");
    if (batch !== false) checkNames(batch, BATCH_OPTIONS, 'batch');
    const { maxItems, maxBytes, maxWaitMs } = { ...DEFAULTS, ...(batch === false ? { maxItems: 1 } : batch) };
    const transport = openTransport({
      url: this.#url,
      tokens: tokensOf(token),
      // Looked up at each call, so that instrumentation of the global counts.
      fetch: fetch ?? ((input, init) => globalThis.fetch(input, init)),
    });
    const limits = {
      maxItems: whole(maxItems, 'batch.maxItems', 1, DEFAULTS.maxItems),
      maxBytes: whole(maxBytes, 'batch.maxBytes', 1, Number.MAX_SAFE_INTEGER),
      maxWaitMs: whole(maxWaitMs, 'batch.maxWaitMs', 0, 1_000),
    };
    const keys = { transport, timeoutMs, isRequired: local === 'required' };
    this.#local = local === false ? undefined : openLocalKeys({ ...keys, ...(time === undefined ? {} : { time }) });
    this.#parts = {
      transport,
      ...(this.#local === undefined ? {} : { local: this.#local }),
      assertOpen: () => this.#assertOpen(),
      timeoutMs,
      batch: limits,
      lanes: new Map(),
      track: (work) => this.#track(work),
    };
  }

  /** Returns the calls on one tenant's data. It asks nothing of the service. */
  tenant(id: string, options: { readonly access?: Access } = {}): TenantClient {
    checkNames(options, TENANT_OPTIONS);
    if (typeof id !== 'string' || !/^[a-z0-9-]{1,64}$/.test(id)) throw new TypeError('A tenant id has 1 to 64 characters of a-z, 0-9 and -');
    return new TenantClient(this.#parts, id, options.access);
  }

  /** Waits for the calls that are open, and reports what leased keys were used for; further calls fail with `closed`. Closing twice is the same as once. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      if (this.#open > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
      await this.#local?.close();
    })();
    return this.#closing;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Vaultspan { url: '${this.#url.origin}', token: [redacted] }`;
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new VaultspanError({ code: 'closed', message: 'closed: the client was closed. Close it when the process ends, and not after each call.' });
  }

  async #track<T>(work: () => Promise<T>): Promise<T> {
    this.#assertOpen();
    this.#open += 1;
    try {
      return await work();
    } finally {
      this.#open -= 1;
      if (this.#open === 0) this.#whenIdle?.();
    }
  }
}

function baseOf(given: string | URL): URL {
  // An address that is none is not shown: it may have a password.
  if (!URL.canParse(given)) {
    throw new TypeError(`url is ${typeof given === 'string' ? 'no address' : kindOf(given)}: give the service's, such as https://vaultspan.example.com`);
  }
  const url = new URL(given);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))) {
    throw new TypeError(`${url.protocol}//${url.hostname} would show the token and the data on the network: use https`);
  }
  if (url.username !== '' || url.password !== '') throw new TypeError('The url has a user or a password: use token');
  url.search = '';
  url.hash = '';
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

function whole(value: number, name: string, min: number, max: number): number {
  if (!Number.isSafeInteger(value) || value < min || value > max) throw new TypeError(`${name} must be a whole number from ${min} to ${max}`);
  return value;
}
