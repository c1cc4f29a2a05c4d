import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AuditEvent } from '../../audit/event.ts';
import type { CallerRates } from '../../callers/caller-rates.ts';
import { ServiceError } from '../../errors.ts';
import { defined } from '../../lib/defined.ts';
import { FairShare } from '../../lib/fair-share.ts';
import { onAnswered } from '../answers/answer-end.ts';
import { answerProblem, problemOf } from '../answers/problem.ts';
import { operations } from '../contract/contract.ts';
import type { OnAnswered } from '../scope.ts';
import { type HeldBody, HeldBytes } from './held-bytes.ts';
import { type IsWarm, RequestTurns } from './request-turns.ts';
import type { Slices } from './slices.ts';
import { SMALL_BYTES, WorkQueue } from './work-queue.ts';

/**
 * The exceeded limit: concurrent requests, bytes of their bodies, the wait of large requests, one
 * tenant's share or one caller's rate.
 */
type ShedReason = 'requests' | 'bytes' | 'queue-wait' | 'tenant-share' | 'caller-rate';

export interface AdmissionOptions {
  /** Concurrent requests in this process. */
  readonly maxConcurrent: number;
  /** Bytes of JSON bodies held at once in this process. */
  readonly maxBufferedBytes: number;
  /** Longest wait of large requests for their turn. */
  readonly queueTargetMs: number;
  /** If absent, callers are not limited. */
  readonly callerRates?: CallerRates | undefined;
  /** Requests of these tenants begin first when many arrive at once. */
  readonly isWarm: IsWarm;
  /** The slices of the main thread that large requests use. */
  readonly slices: Slices;
  /** Counts shed requests for the audit. */
  readonly countRefusal: (event: AuditEvent) => void;
  /**
   * Called with each request that is refused at the entry; the code that answers later requests
   * reports those.
   */
  readonly onAnswered: OnAnswered | undefined;
}

/** The identity of a request once its caller is known. */
export interface Applicant {
  /** Absent for a request without a tenant. */
  readonly tenantId: string | undefined;
  /** Declared size of the body. */
  readonly bytes: number;
}

const RETRY_AFTER_SECONDS = 1;
const overloaded = (reason: string): ServiceError =>
  new ServiceError('overloaded', 'The service is overloaded', {
    reason,
    retryAfter: RETRY_AFTER_SECONDS,
  });
/**
 * Made once: creating an error captures the stack, at the time when the process has least to spare.
 */
const OVERLOADED = {
  requests: overloaded('requests'),
  bytes: overloaded('bytes'),
  'queue-wait': overloaded('queue-wait'),
  'tenant-share': overloaded('tenant-share'),
} as const;

/** Monitoring must reach the process above all when it is busy. */
const NEVER_SHED: ReadonlySet<string> = new Set([operations.getHealth.path, operations.getReadiness.path]);

/** The account of an admitted request's body, and its place in the work queue. */
interface AdmittedBody extends HeldBody {
  /**
   * Resolves when a complete body of this size may be parsed and handled; undefined if it may be at
   * once. Rejects with ServiceError `overloaded`.
   */
  turn(bytes: number): Promise<void> | undefined;
}

/** The known members of a request that is refused at the entry. */
const UNKNOWN = {
  clientRequestId: undefined,
  operation: undefined,
  principal: undefined,
  tenantId: undefined,
  access: undefined,
  limits: undefined,
};

const TENANT_PATH = /^\/tenants\/([a-z0-9-]{1,64})\b/;
const tenantOf = (url: string): string | undefined => TENANT_PATH.exec(url)?.[1];

/**
 * Refuses work during overload, before latency grows without limit. At the entry it refuses by
 * number and tenant, where a refusal costs almost nothing. Once the token has identified the
 * caller, and before the body is read, it refuses by declared bytes, caller and again tenant. Then
 * it refuses by bytes as they arrive.
 */
export class Admission {
  /** Requests shed since the start, for metrics. */
  readonly shed: Record<ShedReason, number> = {
    requests: 0,
    bytes: 0,
    'queue-wait': 0,
    'tenant-share': 0,
    'caller-rate': 0,
  };
  readonly #options: AdmissionOptions;
  readonly #requests: FairShare;
  readonly #bytes: HeldBytes;
  readonly #work: WorkQueue;
  readonly #turns: RequestTurns;
  #underWay = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#requests = new FairShare(options.maxConcurrent);
    this.#turns = new RequestTurns(options.maxConcurrent, options.isWarm);
    this.#bytes = new HeldBytes(options.maxBufferedBytes, (reason) => this.#shed(reason));
    this.#work = new WorkQueue({
      targetMs: options.queueTargetMs,
      nowMs: () => performance.now(),
      slices: options.slices,
      refuse: () => this.#shed('queue-wait'),
    });
  }

  /** Returns a listener that answers every request during overload. */
  guard(listener: RequestListener): RequestListener {
    return (req, res) => {
      const url = req.url ?? '';
      if (NEVER_SHED.has(url)) listener(req, res);
      else if (this.#turns.takesAtOnce()) this.#begin(listener, url, req, res);
      else {
        const isQueued = this.#turns.inTurn(tenantOf(url), () => {
          if (!res.closed) this.#begin(listener, url, req, res);
        });
        if (!isQueued) void this.#turnAway(req, res, 'requests');
      }
    };
  }

  #begin(listener: RequestListener, url: string, req: IncomingMessage, res: ServerResponse): void {
    const reason = this.#reasonToShed(url);
    if (reason) {
      void this.#turnAway(req, res, reason);
      return;
    }
    this.#underWay += 1;
    onAnswered(res, () => {
      this.#underWay -= 1;
    });
    listener(req, res);
  }

  /**
   * Returns the reason to shed a request. Only authenticated requests use a tenant's share: a
   * stranger who names a tenant uses none of it.
   */
  #reasonToShed(url: string): 'requests' | 'tenant-share' | undefined {
    if (this.#underWay >= this.#options.maxConcurrent) return 'requests';
    if (!this.#requests.isCrowded()) return undefined;
    const tenantId = tenantOf(url);
    return tenantId !== undefined && this.#requests.hasEnough(tenantId) ? 'tenant-share' : undefined;
  }

  /**
   * Admits a request until its answer is sent. Returns the account of its body, whose bytes count
   * as they arrive.
   * @throws ServiceError `overloaded`
   */
  admit(res: ServerResponse, { tenantId = '', bytes }: Applicant): AdmittedBody {
    const body = this.#bytes.open(tenantId, bytes);
    if (!this.#requests.take(tenantId, 1)) throw this.#shed('tenant-share');
    onAnswered(res, () => {
      this.#requests.give(tenantId, 1);
      body.release();
    });
    return {
      ...body,
      turn: (size) => (size < SMALL_BYTES ? undefined : this.#turn(res, tenantId)),
    };
  }

  async #turn(res: ServerResponse, tenantId: string): Promise<void> {
    let leave: (() => void) | undefined;
    const entered = this.#work.enter(tenantId, (gone) => {
      leave = gone;
      res.once('close', gone);
    });
    const free = await entered;
    if (leave) res.off('close', leave);
    onAnswered(res, free);
  }

  /**
   * Counts the items of a batch beyond the first as additional calls; the caller's next requests
   * wait for them.
   */
  chargeItems(callerId: string, items: number): void {
    if (items > 1) this.#options.callerRates?.charge(callerId, items - 1);
  }

  /**
   * Counts one call of a caller, refused or not.
   * @throws ServiceError `caller-throttled`
   */
  countCall(callerId: string): void {
    try {
      this.#options.callerRates?.admit(callerId);
    } catch (error) {
      this.shed['caller-rate'] += 1;
      throw error;
    }
  }

  async #turnAway(req: IncomingMessage, res: ServerResponse, reason: keyof typeof OVERLOADED): Promise<void> {
    const failure = this.#shed(reason);
    const requestId = randomUUID();
    const startedAt = performance.now();
    this.#options.countRefusal({
      operation: 'none',
      outcome: 'failed',
      code: failure.code,
      ...defined({ reason: failure.reason }),
      requestId,
    });
    const problem = problemOf(failure, requestId);
    await answerProblem(req, res, problem);
    this.#options.onAnswered?.({ ...UNKNOWN, requestId, startedAt }, problem.status, problem.code);
  }

  #shed(reason: keyof typeof OVERLOADED): ServiceError {
    this.shed[reason] += 1;
    return OVERLOADED[reason];
  }
}

/**
 * Returns the bytes that a body will hold: its declared size, or without one the largest usual
 * size.
 */
export function declaredBytes(
  { headers }: IncomingMessage,
  { bytes, usualBytes }: { readonly bytes: number; readonly usualBytes: number },
): number {
  const length = Number(headers['content-length'] ?? usualBytes);
  return length < bytes ? length : bytes;
}
