/**
 * What one call shows about a vault: it answered, with any result; it had an outage (no answer or a
 * 5xx); or the call never reached it.
 */
export type Outcome = 'answered' | 'outage' | 'unknown';

/** Consecutive outages, each try counted, with no answer between them. */
const OUTAGES_TO_OPEN = 10;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * Stops calls to a vault that does not answer. After 10 consecutive outages no call is made for 5
 * s. Then a single trial call is made. Each failed one doubles the pause, up to 60 s. Any answer
 * closes the breaker, even a refusal. Times are monotonic milliseconds.
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

  /**
   * Returns the milliseconds until a call may be made; 0 when it may. During a trial call, the
   * others wait for its longest duration.
   */
  msUntilCall(now: number): number {
    if (this.#openUntil === undefined) return 0;
    return this.#isProbing ? FIRST_PAUSE_MS : Math.max(0, this.#openUntil - now);
  }

  /**
   * Must be called before each call that `msUntilCall` allows. Returns true for the one trial call.
   */
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
