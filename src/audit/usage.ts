import type { AuditEvent } from './event.ts';

/** What a tenant's audit records amount to. Each member is a sum. */
export interface Usage {
  /** Values encrypted, decrypted, wrapped or looked up: each item of a batch, each field of a document. */
  readonly operations: number;
  /** The same, refused or failed. A request that was refused as a whole counts once. */
  readonly failures: number;
  /** Bytes of plaintext, keys and values in successful operations. */
  readonly bytes: number;
  /** Leases that were given out. */
  readonly leases: number;
  /** Messages that holders of leases encrypted and decrypted by themselves, by their final reports. */
  readonly leasedMessages: number;
}

/** The operations that count, by their names in audit records. */
const METERED: ReadonlySet<string> = new Set([
  'encrypt',
  'decrypt',
  'rewrap',
  'data-key',
  'batch-encrypt',
  'batch-decrypt',
  'batch-rewrap',
  'encrypt-document',
  'decrypt-document',
  'rewrap-document',
  'batch-encrypt-document',
  'batch-decrypt-document',
  'batch-rewrap-document',
  'encrypt-stream',
  'decrypt-stream',
  'rewrap-stream',
  'index-tokens',
  'deterministic-encrypt',
  'deterministic-decrypt',
  'wrap',
  'unwrap',
]);

const NOTHING: Usage = { operations: 0, failures: 0, bytes: 0, leases: 0, leasedMessages: 0 };

/** Returns what a record counts for; undefined for one that counts for nothing. */
export function usageOf(event: Partial<AuditEvent>): Usage | undefined {
  const { operation = '', outcome, items = {} } = event;
  if (METERED.has(operation)) return outcome === 'succeeded' ? successOf(event) : failureOf(event);
  if (outcome !== 'succeeded') return undefined;
  if (operation === 'lease') return { ...NOTHING, leases: 1 };
  if (operation !== 'lease-usage' || event.phase !== 'finished') return undefined;
  return { ...NOTHING, leasedMessages: countOf(items['sealed']) + countOf(items['opened']) };
}

/** A stream has a record at its beginning too, which counts for nothing. */
function successOf({ operation = '', phase, items, keys = [], bytes }: Partial<AuditEvent>): Usage | undefined {
  if (phase === 'started') return undefined;
  const isDocument = operation.endsWith('-document');
  const fields = isDocument ? keys.reduce((sum, { count }) => sum + countOf(count), 0) : undefined;
  const operations = fields ?? (items ? countOf(items['succeeded']) : 1);
  return { ...NOTHING, operations, failures: failedOf(items), bytes: countOf(bytes) };
}

function failureOf({ items, count = 1 }: Partial<AuditEvent>): Usage {
  return { ...NOTHING, failures: items ? failedOf(items) : countOf(count) };
}

const failedOf = (items: AuditEvent['items'] = {}): number =>
  Object.entries(items).reduce((sum, [code, count]) => (code === 'succeeded' ? sum : sum + countOf(count)), 0);

/** A damaged line may hold anything; only whole numbers count. */
const countOf = (value: unknown): number => (Number.isSafeInteger(value) ? Math.max(0, value as number) : 0);
