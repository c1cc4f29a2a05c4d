import { causeOf } from './logger.ts';

const INTERVAL_MS = 10_000;
/** Causes that are distinguished at one time; the failures of all others share one line. */
const MAX_CAUSES = 100;

export interface FailureLogOptions {
  /** Writes one line with these fields. */
  readonly write: (fields: object) => void;
  /** Default 10 s. */
  readonly intervalMs?: number;
  /** Default 100. */
  readonly maxCauses?: number;
}

interface Gathered {
  /** Failures since the last line. */
  count: number;
  latest: object;
  readonly timer: NodeJS.Timeout;
}

/**
 * Logs failures that each request may cause, so that a full disk or an unreachable vault does not
 * flood the log. The first failure of a cause is logged at once. Those of the next 10 s get one
 * line with their number and the fields of the latest.
 */
export class FailureLog {
  readonly #write: (fields: object) => void;
  readonly #intervalMs: number;
  readonly #maxCauses: number;
  readonly #gathered = new Map<string, Gathered>();

  constructor({ write, intervalMs = INTERVAL_MS, maxCauses = MAX_CAUSES }: FailureLogOptions) {
    this.#write = write;
    this.#intervalMs = intervalMs;
    this.#maxCauses = maxCauses;
  }

  add(fields: object, error: unknown): void {
    const own = causeOf(error);
    const cause = this.#gathered.has(own) || this.#gathered.size < this.#maxCauses ? own : 'others';
    const gathered = this.#gathered.get(cause);
    if (gathered) {
      gathered.count += 1;
      gathered.latest = { ...fields, error };
      return;
    }
    this.#write({ ...fields, error });
    const timer = setInterval(() => this.#endInterval(cause), this.#intervalMs).unref();
    this.#gathered.set(cause, { count: 0, latest: {}, timer });
  }

  /** Writes the counts so far. */
  async close(): Promise<void> {
    for (const [cause, gathered] of this.#gathered) {
      this.#report(gathered);
      this.#forget(cause, gathered);
    }
  }

  #endInterval(cause: string): void {
    const gathered = this.#gathered.get(cause);
    if (!gathered) return;
    if (gathered.count === 0) this.#forget(cause, gathered);
    else this.#report(gathered);
  }

  #report(gathered: Gathered): void {
    const { count, latest } = gathered;
    if (count > 0) this.#write({ ...latest, count });
    gathered.count = 0;
    gathered.latest = {};
  }

  #forget(cause: string, { timer }: Gathered): void {
    clearInterval(timer);
    this.#gathered.delete(cause);
  }
}
