import * as z from 'zod';
import { TenantParams } from './fields.ts';
import type { Operation } from './operation.ts';

const Sequence = z
  .string()
  .regex(/^(?:0|[1-9]\d{0,14})$/, 'must be a whole number')
  .transform(Number)
  .optional();

const Index = z
  .string()
  .regex(
    /^(?:x\d{3}\/){0,4}\d{3}(?:\.p\/[1-9]\d{0,2})?$/,
    'must be the number of a tile, such as 067, x001/067 or 067.p/12',
  )
  .meta({
    description:
      'The number of the tile: `067`; `x001/067` for 1,067; `067.p/12` for the first 12 of a tile that is not full yet.',
    example: '000',
  });

const Level = z
  .string()
  .regex(/^(?:\d|[1-5]\d|6[0-3]|entries)$/, 'must be 0 to 63, or entries')
  .transform((level) => (level === 'entries' ? level : Number(level)))
  .meta({ type: 'string', description: 'Level of the tile, or `entries`.', example: '0' });

const ProofQuery = z
  .strictObject({
    sequence: Sequence.meta({ type: 'string', description: 'Proof that this entry is in the log; the first is 0.' }),
    from: Sequence.meta({
      type: 'string',
      description: 'Proof that the log begins with the log of this number of entries.',
    }),
  })
  .refine(({ sequence, from }) => (sequence === undefined) !== (from === undefined), {
    path: ['sequence'],
    error: 'either sequence or from is required',
  });

const CHECKPOINT = [
  'vendor.example/vaultspan/tenants/contoso',
  '20852',
  'CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=',
  'timestamp 2026-11-26T20:05:00.000Z',
  '',
  '— vendor.example/vaultspan/tenants/contoso Az3grl…',
  '',
].join('\n');

const ERRORS = ['malformed-request', 'tenant-not-found', 'log-not-found', 'registry-unavailable'] as const;
const SHARED = { auditedAs: 'log-read', method: 'get', tag: 'Audit', role: 'Audit.Read', errors: ERRORS } as const;

/** Operations on a tenant's transparency log. */
export const logOperations = {
  getLogCheckpoint: {
    ...SHARED,
    path: '/tenants/{tenantId}/log/checkpoint',
    summary: "Read the last checkpoint of a tenant's transparency log",
    description:
      "The signed size and root hash of the log of the tenant's audit records, as a C2SP tlog-checkpoint. Keep it: nobody can later show you a log that lacks or changes any of its entries. A new one comes within `receipts.checkpointSeconds` of a record, or within an hour in a large deployment.",
    params: TenantParams,
    raw: 'text/plain; charset=utf-8',
    responseExample: CHECKPOINT,
  },
  getLogTile: {
    ...SHARED,
    path: '/tenants/{tenantId}/log/tile/{level}/{index}',
    summary: 'Read hashes or entries of the transparency log',
    description:
      'A tile of 256 hashes (C2SP tlog-tiles), or with the level `entries` a bundle of 256 entries, as far as the last checkpoint reaches.',
    params: TenantParams.extend({ level: Level, index: Index }),
    rest: 'index',
    raw: 'application/octet-stream',
  },
  getLogEntries: {
    ...SHARED,
    path: '/tenants/{tenantId}/log/entries/{index}',
    summary: 'Read entries of the transparency log as lines',
    description:
      'The entries of one tile, each the exact line of an audit record. A line of type `lost` names records of a chain that never arrived. Entries past the retention of audit records are gone; their hashes stay.',
    params: TenantParams.extend({ index: Index }),
    rest: 'index',
    raw: 'application/x-ndjson',
  },
  getLogProof: {
    ...SHARED,
    path: '/tenants/{tenantId}/log/proof',
    summary: 'Prove an entry, or that the log only grew',
    description:
      'With `sequence`: the inclusion proof of an entry under the last checkpoint, as a C2SP tlog-proof. With `from`: the consistency proof from an earlier size to the last checkpoint, in the form for a C2SP witness.',
    params: TenantParams,
    query: ProofQuery,
    raw: 'text/plain; charset=utf-8',
    responseExample: `c2sp.org/tlog-proof@v1\nindex 4711\ngSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n…\n\n${CHECKPOINT}`,
  },
} as const satisfies Record<string, Operation>;
