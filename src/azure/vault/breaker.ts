/** What one call tells of a vault: it answered, whatever it said; it didn't, or by a 5xx; or the call never came as far. */
export type Outcome = 'answered' | 'outage' | 'unknown';

/** Outages in a row, each try counted, with no answer between them. */
const OUTAGES_TO_OPEN = 10;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * Keeps calls from a vault that doesn't answer: after 10 outages in a row none is made for 5 s; then a single one finds out, and where it
 * fails the pause doubles, up to 60 s. Any answer closes the breaker, a refusal too. Times are monotonic milliseconds.
 */
export class Breaker {
  readonly #onChange: (isOpen: boolean) => void;
  #outages = 0;
  #pauseMs = 0;
  #openUntil: number | undefined;
  #isProbing: boolean = false;

  constructor(onChange: (isOpen: boolean) => void) {
    this.#onChange = onChange;
  }

  get isOpen(): boolean {
    return this.#openUntil !== undefined;
  }

  /** Milliseconds until a call may be made; 0 when it may. While one finds out, the others wait for as long as it may take. */
  msUntilCall(now: number): number {
    if (this.#openUntil === undefined) return 0;
    return this.#isProbing ? FIRST_PAUSE_MS : Math.max(0, this.#openUntil - now);
  }

  /** To be told before each call that `msUntilCall` lets through. True for the one call that finds out. */
  begin(): boolean {
    this.#isProbing = this.isOpen;
    return this.#isProbing;
  }

  end(outcome: Outcome, isProbe: boolean, now: number): void {
    if (isProbe) this.#isProbing = false;
    if (outcome === 'answered') this.#close();
    else if (outcome === 'outage' && (isProbe || !this.isOpen)) this.#countOutage(now);
  }

  #countOutage(now: number): void {
    this.#outages += 1;
    if (this.#outages < OUTAGES_TO_OPEN) return;
    const wasOpen = this.isOpen;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2 || FIRST_PAUSE_MS);
    this.#openUntil = now + this.#pauseMs;
    if (!wasOpen) this.#onChange(true);
  }

  #close(): void {
    const wasOpen = this.isOpen;
    this.#outages = 0;
    this.#pauseMs = 0;
    this.#openUntil = undefined;
    this.#isProbing = false;
    if (wasOpen) this.#onChange(false);
  }
}
