import { hash, randomFillSync } from 'node:crypto';
import type { AuditEvent } from '../event.ts';

/** The members of every record of a chain besides the event. */
export interface RecordHead {
  /** UUID of the chain. */
  readonly chain: string;
  /** 0 for `open`, then one more for each record. */
  readonly sequence: number;
  /** RFC 3339, UTC, with milliseconds. */
  readonly at: string;
  /** 16 random bytes in base64url, so that nobody can guess a record's content from its hash. */
  readonly salt: string;
  /** Hash of the line before; absent in `open`. */
  readonly previous?: string | undefined;
  readonly type: 'open' | 'event' | 'removed' | 'close';
  /** In `open` of a chain whose lines have MACs: the name of their key. */
  readonly macKey?: string | undefined;
  /** In `open`: hash of the last line of the newest chain that already existed … */
  readonly continues?: string | undefined;
  /** … that chain's id … */
  readonly continuesChain?: string | undefined;
  /** … and the line's sequence number in it. */
  readonly continuesSequence?: number | undefined;
  /** In `removed`. */
  readonly removed?: Removal | undefined;
}

/** The first records of a chain, up to and including one, that this service removed itself. */
export interface Removal {
  /** `retention`: past their retention. `shipped`: the database has these records. */
  readonly cause: 'retention' | 'shipped';
  readonly chain: string;
  /** Sequence number of the last removed record … */
  readonly through: number;
  /** … and the hash of its line, which the first remaining record has as `previous`. */
  readonly hash: string;
}

type Member = keyof RecordHead | keyof AuditEvent | 'tenantSequence';

/**
 * Returns the line of a record without newline and MAC. Members have one fixed order and absent
 * ones are left out, so equal records are equal bytes. New members of the event belong before
 * `tenantSequence`. One that is added to the event and not here does not compile.
 */
export function encodeRecord(head: RecordHead, event: Partial<AuditEvent>, tenantSequence?: number): string {
  return JSON.stringify({
    chain: head.chain,
    sequence: head.sequence,
    at: head.at,
    salt: head.salt,
    previous: head.previous,
    type: head.type,
    macKey: head.macKey,
    continues: head.continues,
    continuesChain: head.continuesChain,
    continuesSequence: head.continuesSequence,
    removed: head.removed && {
      cause: head.removed.cause,
      chain: head.removed.chain,
      through: head.removed.through,
      hash: head.removed.hash,
    },
    operation: event.operation,
    outcome: event.outcome,
    phase: event.phase,
    code: event.code,
    reason: event.reason,
    requestId: event.requestId,
    clientRequestId: event.clientRequestId,
    principal: event.principal,
    tenantId: event.tenantId,
    keyId: event.keyId,
    bytes: event.bytes,
    context: event.context,
    vaultRequestId: event.vaultRequestId,
    vaultClientRequestId: event.vaultClientRequestId,
    items: event.items,
    keys: event.keys,
    index: event.index,
    lease: event.lease,
    leaves: event.leaves,
    link: event.link,
    storedKey: event.storedKey && {
      id: event.storedKey.id,
      label: event.storedKey.label,
      jweDigest: event.storedKey.jweDigest,
    },
    access: event.access,
    policy: event.policy,
    count: event.count,
    tenantSequence,
  } satisfies Record<Member, unknown>);
}

/**
 * Returns the SHA-256 of a line without its newline, in base64url. Text is hashed as UTF-8, which
 * JSON.stringify always can be.
 */
export const hashLine = (line: string | Uint8Array): string => hash('sha256', line, 'base64url');

const SALT_BYTES = 16;
const POOLED_SALTS = 1024;

/**
 * Returns a source of salts. One call of the random generator makes many of them: a call for each
 * would cost more than the record's hash.
 */
export function createSalts(): () => string {
  const pool = Buffer.alloc(SALT_BYTES * POOLED_SALTS);
  let next = pool.length;
  return () => {
    if (next === pool.length) {
      randomFillSync(pool);
      next = 0;
    }
    next += SALT_BYTES;
    return pool.toString('base64url', next - SALT_BYTES, next);
  };
}

/**
 * Returns a formatter of times that remembers the last one: most records share their millisecond
 * with the one before.
 */
export function createClock(): (at: number) => string {
  let last = Number.NaN;
  let text = '';
  return (at) => {
    if (at !== last) {
      text = new Date(at).toISOString();
      last = at;
    }
    return text;
  };
}
