import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../telemetry/logger.ts';
import type { MetricsSnapshot } from '../../telemetry/metrics.ts';
import type { ProcessEnd, StartedProcess } from '../support/command.ts';
import { Child } from './child.ts';
import { type Pace, pauseAfter } from './pace.ts';

export interface CrewOptions {
  readonly count: number;
  /** Starts the process with this number. */
  readonly start: (number: number) => StartedProcess;
  readonly drainMs: number;
  readonly pace: Pace;
  readonly logger: Logger;
  readonly onStarted: (child: Child) => void;
  readonly onEnded: (child: Child, lastMetrics: MetricsSnapshot | undefined) => void;
  /** Called when processes only crash, with the reason. */
  readonly onGivenUp: (reason: string) => void;
}

/** A place of one process among those on the port. */
interface Place {
  readonly number: number;
  /** Absent during the pause before a start. */
  child: Child | undefined;
  /** The successor of the child, in a roll. */
  next: Child | undefined;
  /** In a row. */
  fastEnds: number;
}

/** The processes on one port: starts, watches, replaces and ends them. */
export class Crew {
  readonly #options: CrewOptions;
  readonly #places: readonly Place[];
  readonly #running = new Set<Child>();
  readonly #stopping = new AbortController();
  #hasStarted: boolean = false;

  constructor(options: CrewOptions) {
    this.#options = options;
    const numbers = Array.from({ length: options.count }, (_, index) => index + 1);
    this.#places = numbers.map((number) => ({ number, child: undefined, next: undefined, fastEnds: 0 }));
  }

  /**
   * Starts all processes. The first starts alone: it migrates the database, and reports a wrong
   * configuration once. Resolves with the end of a process that could not start, if any.
   */
  async start(): Promise<ProcessEnd | undefined> {
    const [first, ...others] = this.#places;
    const failed = first && (await this.#startFirst(first));
    if (failed) return failed;
    const ends = await Promise.all(others.map((place) => this.#startFirst(place)));
    const end = ends.find((one) => one !== undefined);
    if (end) return end;
    this.#hasStarted = true;
    // A process may have ended since it was ready.
    for (const place of this.#places)
      if (place.child?.hasEnded) this.#replace(place, place.child, await place.child.ended);
    return undefined;
  }

  /**
   * Replaces each process in turn: the successor serves before the process drains. A successor that
   * cannot start ends the roll, and its predecessor stays.
   */
  async roll(): Promise<void> {
    const { logger } = this.#options;
    logger.info('replacing the processes one by one');
    for (const place of this.#places) {
      if (!(await this.#rollPlace(place))) {
        if (!this.#isStopping)
          logger.error({ process: place.number }, 'the new process did not start: the others stay');
        return;
      }
    }
    logger.info('all processes were replaced');
  }

  /** Drains all processes; the signal cuts the drain short. Resolves when they have ended. */
  async stop(hurry: AbortSignal): Promise<void> {
    this.#stopping.abort();
    const order = (type: 'stop' | 'hurry') => {
      for (const child of this.#running) child.order(type);
    };
    order('stop');
    const onHurry = () => order('hurry');
    if (hurry.aborted) onHurry();
    else hurry.addEventListener('abort', onHurry, { once: true });
    const { drainMs, pace } = this.#options;
    await Promise.all([...this.#running].map((child) => child.endWithin(drainMs + pace.killMs)));
  }

  /** Kills the processes that still run. */
  kill(): void {
    for (const child of this.#running) child.kill();
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #startFirst(place: Place): Promise<ProcessEnd | undefined> {
    const child = this.#startChild(place);
    place.child = child;
    return (await child.hasStarted()) ? undefined : child.ended;
  }

  #startChild(place: Place): Child {
    const { start, onStarted, onEnded } = this.#options;
    const child = new Child(start(place.number));
    this.#running.add(child);
    onStarted(child);
    void child.ended.then((end) => {
      this.#running.delete(child);
      onEnded(child, child.lastMetrics);
      // Ends before all have started, and those of successors, are handled where they are awaited.
      if (this.#hasStarted && place.child === child) this.#replace(place, child, end);
    });
    return child;
  }

  #replace(place: Place, child: Child, { code, signal }: ProcessEnd): void {
    if (this.#isStopping) return;
    const { pace, logger, onGivenUp, count } = this.#options;
    place.child = undefined;
    place.fastEnds = child.servedMs < pace.steadyMs ? place.fastEnds + 1 : 0;
    const end = { process: place.number, pid: child.pid, code, signal };
    if (place.fastEnds >= pace.maxFastEnds && !this.#places.some(({ child: other }) => other?.isServing)) {
      const how = code === null ? `signal ${signal}` : `exit code ${code}`;
      onGivenUp(
        `${count} processes only crash: process ${place.number} ended ${place.fastEnds} times in a row before it had served for ${pace.steadyMs / 1_000} s, the last time with ${how}`,
      );
      return;
    }
    const pauseMs = pauseAfter(place.fastEnds, pace);
    logger.error({ ...end, pauseMs }, 'a process ended; it is replaced');
    void this.#startAfter(place, pauseMs);
  }

  async #startAfter(place: Place, pauseMs: number): Promise<void> {
    if (pauseMs > 0) await sleep(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    // A roll may have put a successor there.
    if (this.#isStopping || place.child || place.next) return;
    const child = this.#startChild(place);
    place.child = child;
    if (await child.hasStarted())
      this.#options.logger.info({ process: place.number, pid: child.pid }, 'a process was replaced');
  }

  /** Returns whether the successor serves. */
  async #rollPlace(place: Place): Promise<boolean> {
    if (this.#isStopping) return false;
    const next = this.#startChild(place);
    place.next = next;
    await next.hasStarted();
    place.next = undefined;
    if (next.hasEnded) {
      // The predecessor may have ended meanwhile, in its place for the successor.
      if (!place.child) this.#replace(place, next, await next.ended);
      return false;
    }
    const { child } = place;
    place.child = next;
    place.fastEnds = 0;
    child?.order('leave');
    const { drainMs, pace } = this.#options;
    await child?.endWithin(drainMs + pace.killMs);
    return true;
  }
}
