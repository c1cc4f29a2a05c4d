import { setTimeout as sleep } from 'node:timers/promises';
import type { Reply } from './reply.ts';

type FaultKind = 'status' | 'hang' | 'reset' | 'delay' | 'garbage';

/** A failure to simulate, until it has happened `times` times or the faults are cleared. */
export interface Fault {
  /** `entra`, `graph`, `ingestion`, a vault's short name, or `*`. */
  readonly at: string;
  /** Absent: any operation. */
  readonly operation?: string;
  readonly kind: FaultKind;
  /** For `status`: default the status that Azure gives to the code, else 503. For `garbage`: default 200. */
  readonly status?: number;
  /** For `status`: the error code in the body. */
  readonly code?: string;
  /** For `status` and `garbage`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** For `garbage`: the body; default: a guest network's sign-in page. */
  readonly body?: string;
  /** For `delay`, and before any other kind; the request is then handled as usual. Clearing ends it. */
  readonly delayMs?: number;
  /** Absent: until cleared. */
  readonly times?: number;
}

export interface Faults {
  inject(fault: Fault): void;
  /** Requests that are delayed are handled at once. */
  clear(): void;
  /** Resolves after the time, or when the faults are cleared. */
  pause(ms: number): Promise<void>;
  /** Returns the oldest fault that fits, and counts it. */
  take(at: string, operation: string): Fault | undefined;
}

export function createFaults(): Faults {
  let active: { readonly fault: Fault; left: number }[] = [];
  let cleared = new AbortController();
  return {
    inject(fault) {
      active.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY });
    },
    clear() {
      active = [];
      cleared.abort();
      cleared = new AbortController();
    },
    async pause(ms) {
      await sleep(ms, undefined, { signal: cleared.signal, ref: false }).catch(() => undefined);
    },
    take(at, operation) {
      if (active.length === 0) return undefined;
      const found = active.find(({ fault }) => fits(fault, at, operation));
      if (found === undefined) return undefined;
      found.left -= 1;
      if (found.left <= 0) active = active.filter((entry) => entry !== found);
      return found.fault;
    },
  };
}

const fits = (fault: Fault, at: string, operation: string): boolean =>
  (fault.at === '*' || fault.at === at) && (fault.operation === undefined || fault.operation === operation);

export const garbageOf = ({ status = 200, headers, body = GUEST_PAGE }: Fault): Reply => ({
  status,
  headers: { 'content-type': 'text/html', ...headers },
  body,
});

const GUEST_PAGE = '<html><body>Sign in to the guest network to go on</body></html>';
