import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AuditEvent } from '../../audit/event.ts';
import type { CallerRates } from '../../callers/caller-rates.ts';
import { ServiceError } from '../../errors.ts';
import { defined } from '../../lib/defined.ts';
import { FairShare } from '../../lib/fair-share.ts';
import { ANSWERED } from '../answers/end-early.ts';
import { answerProblem, problemOf } from '../answers/problem.ts';
import { operations } from '../contract/contract.ts';
import type { OnAnswered } from '../scope.ts';
import { type HeldBody, HeldBytes } from './held-bytes.ts';
import { SMALL_BYTES, WorkQueue } from './work-queue.ts';

/** What there was too much of: requests under way, bytes of their bodies, large requests in the queue, or what is one tenant's. */
type ShedReason = 'requests' | 'bytes' | 'queue-wait' | 'tenant-share' | 'caller-rate';

export interface AdmissionOptions {
  /** Requests under way in this process. */
  readonly maxConcurrent: number;
  /** Bytes of JSON bodies under way in this process. */
  readonly maxBufferedBytes: number;
  /** Longest wait of large requests for their turn. */
  readonly queueTargetMs: number;
  /** Absent, callers are not limited. */
  readonly callerRates?: CallerRates | undefined;
  /** Counts the shed for the audit. */
  readonly countRefusal: (event: AuditEvent) => void;
  /** Told of each request that is turned away at the door; of those that came further they are told who answer them. */
  readonly onAnswered: OnAnswered | undefined;
}

/** What a request is known by once its caller is. */
export interface Applicant {
  /** Absent where it is of no tenant. */
  readonly tenantId: string | undefined;
  /** Declared size of the body. */
  readonly bytes: number;
}

const RETRY_AFTER_SECONDS = 1;
const overloaded = (reason: string): ServiceError =>
  new ServiceError('overloaded', 'The service has more to do than it can do in time', {
    reason,
    retryAfter: RETRY_AFTER_SECONDS,
  });
/** Made once: an error costs a look at the stack, and that is when there is least to spare. */
const OVERLOADED = {
  requests: overloaded('requests'),
  bytes: overloaded('bytes'),
  'queue-wait': overloaded('queue-wait'),
  'tenant-share': overloaded('tenant-share'),
} as const;

/** Whoever watches the process must reach it above all when it is busy. */
const NEVER_SHED: ReadonlySet<string> = new Set([operations.getHealth.path, operations.getReadiness.path]);

/** The account of an admitted request's body, and its place in the queue of work. */
interface AdmittedBody extends HeldBody {
  /** Resolves when a complete body of this size may be parsed and worked on. @throws ServiceError `overloaded` */
  turn(bytes: number): Promise<void>;
}

/** What is known of a request that is turned away. */
const UNKNOWN = { clientRequestId: undefined, operation: undefined, principal: undefined, tenantId: undefined };

const TENANT_PATH = /^\/tenants\/([a-z0-9-]{1,64})\b/;

/**
 * Refuses work while there is too much of it, before latency runs away: by number and tenant at the door, where a refusal costs next to
 * nothing; by declared bytes, caller and once more by tenant once the token has named the caller, before the body is read; by bytes as they
 * arrive.
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
  #underWay = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#requests = new FairShare(options.maxConcurrent);
    this.#bytes = new HeldBytes(options.maxBufferedBytes, (reason) => this.#shed(reason));
    this.#work = new WorkQueue({
      targetMs: options.queueTargetMs,
      nowMs: () => performance.now(),
      refuse: () => this.#shed('queue-wait'),
    });
  }

  /** The door: whatever comes in while the house is full is answered here. */
  guard(listener: RequestListener): RequestListener {
    return (req, res) => {
      const url = req.url ?? '';
      const reason = this.#reasonToShed(url);
      if (NEVER_SHED.has(url)) listener(req, res);
      else if (reason) void this.#turnAway(req, res, reason);
      else {
        this.#underWay += 1;
        onAnswered(res, () => {
          this.#underWay -= 1;
        });
        listener(req, res);
      }
    };
  }

  /** Shares are held by authenticated requests alone: a stranger who names a tenant takes nothing of it. */
  #reasonToShed(url: string): 'requests' | 'tenant-share' | undefined {
    if (this.#underWay >= this.#options.maxConcurrent) return 'requests';
    if (!this.#requests.isCrowded()) return undefined;
    const tenantId = TENANT_PATH.exec(url)?.[1];
    return tenantId !== undefined && this.#requests.hasEnough(tenantId) ? 'tenant-share' : undefined;
  }

  /**
   * Admits a request until its answer is out. Returns the account of its body, whose bytes count as they arrive.
   *
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
      turn: async (size) => {
        if (size < SMALL_BYTES) return;
        let leave: (() => void) | undefined;
        const entered = this.#work.enter(tenantId, (gone) => {
          leave = gone;
          res.once('close', gone);
        });
        const free = await entered;
        if (leave) res.off('close', leave);
        onAnswered(res, free);
        if (res.closed) free();
      },
    };
  }

  /** Counts the items of a batch beyond the first as so many calls; the caller's next ones wait for it. */
  chargeItems(callerId: string, items: number): void {
    if (items > 1) this.#options.callerRates?.charge(callerId, items - 1);
  }

  /** Counts one call of a caller, refused or not. @throws ServiceError `caller-throttled` */
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

/** Calls back once: when the answer is written, or its connection has ended without one. */
function onAnswered(res: ServerResponse, callback: () => void): void {
  const once = () => {
    res.off(ANSWERED, once).off('close', once);
    callback();
  };
  res.on(ANSWERED, once).on('close', once);
}

/** Returns how much of a body will be held: as much as it says, or as the largest usual one has where it doesn't. */
export function declaredBytes(
  { headers }: IncomingMessage,
  { bytes, usualBytes }: { readonly bytes: number; readonly usualBytes: number },
): number {
  const length = Number(headers['content-length'] ?? usualBytes);
  return length < bytes ? length : bytes;
}
