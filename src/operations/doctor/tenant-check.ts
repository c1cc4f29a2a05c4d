import type { Fix, ServiceError } from '../../errors.ts';
import { defined } from '../../lib/defined.ts';
import type { Check } from '../../tenants/checks.ts';

/** One step of the doctor. */
export interface CheckStep {
  readonly name: string;
  readonly state: 'passed' | 'failed' | 'skipped';
  readonly durationMs?: number;
  /** The finding, or the meaning of a failure. */
  readonly detail?: string;
  readonly code?: string;
  readonly reason?: string;
  readonly fix?: Fix;
  /** The failed step because of which this one was skipped. */
  readonly because?: string;
  /** Problems that do no harm yet and should be fixed. */
  readonly warnings?: readonly string[];
}

export interface TenantCheck {
  readonly tenantId: string;
  readonly state: 'passed' | 'failed';
  /** RFC 3339. */
  readonly at: string;
  readonly steps: readonly CheckStep[];
}

/** Returns the stored part of a check: its first failure, by code and not by text. */
export function checkOf({ at, state, steps }: TenantCheck): Check {
  const failed = steps.find((step) => step.state === 'failed');
  const warnings = steps.flatMap((step) => (step.warnings ?? []).map((warning) => `${step.name}: ${warning}`));
  return defined({
    state: failed?.reason ?? failed?.code ?? state,
    checkedAt: at,
    step: failed?.name,
    code: failed?.code,
    detail: failed?.detail,
    warnings: warnings.length > 0 ? warnings : undefined,
  });
}

/** How a check is followed while it runs. */
export interface FollowCheck {
  /** Called with each step once it has a result. */
  readonly onStep?: (step: CheckStep) => void;
  /** Stops the check before its next step. */
  readonly signal?: AbortSignal;
}

/** Runs steps one after the other and skips those that depend on a failed one. */
export class StepRunner {
  readonly #steps: CheckStep[] = [];
  readonly #now: () => number;
  readonly #describe: (error: unknown) => ServiceError;
  readonly #follow: FollowCheck;

  /** `now` is monotonic, in milliseconds; `describe` rethrows our own faults. */
  constructor(now: () => number, describe: (error: unknown) => ServiceError, follow: FollowCheck) {
    this.#follow = follow;
    this.#now = now;
    this.#describe = describe;
  }

  get steps(): readonly CheckStep[] {
    return this.#steps;
  }

  hasFailed(name: string): boolean {
    return this.#steps.some((step) => step.name === name && step.state !== 'passed');
  }

  #add(step: CheckStep): void {
    this.#steps.push(step);
    this.#follow.onStep?.(step);
  }

  /** Returns the result of `run`; undefined when the step failed or was skipped. */
  async step<T>(
    name: string,
    needs: readonly string[],
    run: () => Promise<{ readonly value: T; readonly detail?: string; readonly warnings?: readonly string[] }>,
  ): Promise<T | undefined> {
    if (this.#follow.signal?.aborted) return undefined;
    const because = needs.find((need) => this.hasFailed(need));
    if (because !== undefined) {
      this.#add({ name, state: 'skipped', because });
      return undefined;
    }
    const startedAt = this.#now();
    const durationMs = () => Math.round(this.#now() - startedAt);
    try {
      const { value, detail, warnings = [] } = await run();
      this.#add(
        defined({
          name,
          state: 'passed',
          durationMs: durationMs(),
          detail,
          warnings: warnings.length > 0 ? warnings : undefined,
        }),
      );
      return value;
    } catch (error) {
      this.#add(failed(name, durationMs(), this.#describe(error)));
      return undefined;
    }
  }
}

function failed(name: string, durationMs: number, { code, reason, message, fix }: ServiceError): CheckStep {
  return defined({ name, state: 'failed', durationMs, detail: message, code, reason, fix });
}
