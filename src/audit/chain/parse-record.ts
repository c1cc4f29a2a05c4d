import { z } from 'zod';
import type { AuditEvent } from '../event.ts';
import type { RecordHead } from './chain.ts';

const Hash = z.string().regex(/^[\w-]{43}$/);
const Salt = z.string().regex(/^[\w-]{22}$/);
const KeyId = z.string().regex(/^[\w-]{12}$/);
const Count = z.int().nonnegative();
const text = z.string().exactOptional();

const head = {
  chain: z.uuid(),
  sequence: Count,
  at: z.iso.datetime({ precision: 3 }),
  salt: Salt,
  mac: Hash.exactOptional(),
};

const OpenRecord = z.strictObject({
  ...head,
  sequence: z.literal(0),
  type: z.literal('open'),
  macKey: KeyId.exactOptional(),
  continues: Hash.exactOptional(),
  continuesChain: z.uuid().exactOptional(),
  continuesSequence: Count.exactOptional(),
});

const RemovedRecord = z.strictObject({
  ...head,
  previous: Hash,
  type: z.literal('removed'),
  removed: z.strictObject({
    cause: z.enum(['retention', 'shipped']),
    chain: z.uuid(),
    through: Count,
    hash: Hash,
  }),
});

const CloseRecord = z.strictObject({ ...head, previous: Hash, type: z.literal('close') });

const KeyUse = z.strictObject({
  keyId: z.string(),
  vaultRequestId: z.string(),
  vaultClientRequestId: text,
  policy: text,
  count: Count,
});

const StoredKey = z.strictObject({ id: z.string(), label: z.string(), jweDigest: Hash });

const EventRecord = z.strictObject({
  ...head,
  previous: Hash,
  type: z.literal('event'),
  ...({
    operation: z.string(),
    outcome: z.enum(['succeeded', 'refused', 'failed']),
    phase: z.enum(['started', 'finished']).exactOptional(),
    code: text,
    reason: text,
    requestId: z.string(),
    clientRequestId: text,
    principal: text,
    tenantId: text,
    keyId: text,
    bytes: z.number().exactOptional(),
    context: text,
    vaultRequestId: text,
    vaultClientRequestId: text,
    policy: text,
    items: z.record(z.string(), Count).exactOptional(),
    keys: z.array(KeyUse).exactOptional(),
    index: text,
    storedKey: StoredKey.exactOptional(),
    access: z.strictObject({ subject: text, reason: text, label: text }).exactOptional(),
    lease: text,
    leaves: z.array(z.string()).exactOptional(),
    link: text,
    count: z.number().exactOptional(),
  } satisfies Record<keyof AuditEvent, z.ZodType>),
  tenantSequence: Count.exactOptional(),
});

const AuditRecord = z.discriminatedUnion('type', [OpenRecord, EventRecord, RemovedRecord, CloseRecord]);

/** A record as in its line: only `event` records have the members of the event. */
export type ParsedRecord = RecordHead &
  Partial<AuditEvent> & { readonly tenantSequence?: number; readonly mac?: string };

/** Returns the record of a line, or the reason that the line is none. */
export function parseRecord(line: string): ParsedRecord | 'not-json' | 'not-a-record' {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return 'not-json';
  }
  const parsed = AuditRecord.safeParse(value);
  return parsed.success ? parsed.data : 'not-a-record';
}
