import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AuditEvent } from '../audit/event.ts';
import { FairShare } from '../cache/fair-share.ts';
import type { CallerRates } from '../callers/caller-rates.ts';
import { ServiceError } from '../errors.ts';
import { operations } from './contract.ts';
import { problemOf, sendProblem } from './problem.ts';

/** What there was too much of: requests under way, bytes of their bodies, or either of one tenant's. */
export type ShedReason = 'requests' | 'bytes' | 'tenant-share' | 'caller-rate';

export interface AdmissionOptions {
  /** Requests under way in this process. */
  readonly maxConcurrent: number;
  /** Bytes of JSON bodies under way in this process. */
  readonly maxBufferedBytes: number;
  /** Absent, callers are not limited. */
  readonly callerRates?: CallerRates | undefined;
  /** Counts the shed for the audit. */
  readonly countRefusal: (event: AuditEvent) => void;
  /** Told of each request that is shed, for metrics. */
  readonly onShed: (reason: ShedReason) => void;
}

/** What a request is known by once its caller is. */
export interface Applicant {
  readonly callerId: string;
  /** Absent where it is of no tenant. */
  readonly tenantId: string | undefined;
  /** Of the body, as far as it will be held in memory. */
  readonly bytes: number;
}

const RETRY_AFTER_SECONDS = 1;
/** A smaller body that nobody reads is cheaper let through than a new connection. */
const WORTH_CUTTING_BYTES = 64 * 1024;
/** Whoever watches the process must reach it above all when it is busy. */
const NEVER_SHED: ReadonlySet<string> = new Set([operations.getHealth.path, operations.getReadiness.path]);

/**
 * Refuses work while there is too much of it, before latency runs away: by number at the door, where a refusal costs next to nothing, and
 * by tenant, bytes and caller as soon as the token has told who calls, before the body is read.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #requests: FairShare;
  readonly #bytes: FairShare;
  #underWay = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#requests = new FairShare(options.maxConcurrent);
    this.#bytes = new FairShare(options.maxBufferedBytes);
  }

  /** The door: whatever comes in while the house is full is answered here. */
  guard(listener: RequestListener): RequestListener {
    return (req, res) => {
      if (NEVER_SHED.has(req.url ?? '')) listener(req, res);
      else if (this.#underWay >= this.#options.maxConcurrent) this.#turnAway(req, res);
      else {
        this.#underWay += 1;
        res.once('close', () => {
          this.#underWay -= 1;
        });
        listener(req, res);
      }
    };
  }

  /** Holds a request's part of what there is until its answer is out. @throws ServiceError `overloaded`, `caller-throttled` */
  admit(res: ServerResponse, { callerId, tenantId = '', bytes }: Applicant): void {
    this.#countCall(callerId);
    if (!this.#requests.take(tenantId, 1)) throw this.#shed('tenant-share');
    if (!this.#bytes.take(tenantId, bytes)) {
      this.#requests.give(tenantId, 1);
      throw this.#shed(this.#bytes.hasRoomFor(bytes) ? 'tenant-share' : 'bytes');
    }
    res.once('close', () => {
      this.#requests.give(tenantId, 1);
      this.#bytes.give(tenantId, bytes);
    });
  }

  #countCall(callerId: string): void {
    try {
      this.#options.callerRates?.admit(callerId);
    } catch (error) {
      this.#options.onShed('caller-rate');
      throw error;
    }
  }

  #turnAway(req: IncomingMessage, res: ServerResponse): void {
    const failure = this.#shed('requests');
    const requestId = randomUUID();
    this.#options.countRefusal({
      operation: 'none',
      outcome: 'failed',
      code: failure.code,
      ...(failure.reason !== undefined && { reason: failure.reason }),
      requestId,
    });
    const { 'content-length': length, 'transfer-encoding': encoding } = req.headers;
    if (encoding !== undefined || Number(length ?? 0) > WORTH_CUTTING_BYTES) res.setHeader('Connection', 'close');
    res.setHeader('X-Request-Id', requestId);
    res.setHeader('Cache-Control', 'no-store');
    sendProblem(res, problemOf(failure, requestId));
  }

  #shed(reason: ShedReason): ServiceError {
    this.#options.onShed(reason);
    return new ServiceError('overloaded', 'The service has more to do than it can do in time', {
      reason,
      retryAfter: RETRY_AFTER_SECONDS,
    });
  }
}

/** How much of a body will be held: as much as it says, or as much as it may where it doesn't. */
export function declaredBytes({ headers }: IncomingMessage, limit: number): number {
  const length = Number(headers['content-length'] ?? limit);
  return length < limit ? length : limit;
}
