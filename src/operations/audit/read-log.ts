import { type LogReader, tilesOfTenant } from '../../audit/receipts/log-reader.ts';
import { bundleOf, consistencyText, inclusionText } from '../../audit/receipts/log-texts.ts';
import { consistencyProof, inclusionProof } from '../../audit/receipts/proofs.ts';
import { parseTilePath } from '../../audit/receipts/tile-path.ts';
import { TILE_WIDTH } from '../../audit/receipts/tree.ts';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { ServiceError } from '../../errors.ts';
import type { TenantRegistry } from '../../tenants/registry.ts';
import { assertGranted } from '../granted-tenant.ts';
import { type AuditDeps, recordSuccess } from '../record-success.ts';

export interface ReadLogDeps extends AuditDeps {
  /** Absent if receipts are off. */
  readonly log: LogReader | undefined;
  readonly tenants: Pick<TenantRegistry, 'get'>;
}

/** A tenant's log as far as its last checkpoint reaches. */
interface SignedLog {
  readonly log: LogReader;
  readonly tenantId: string;
  readonly checkpoint: string;
  readonly size: number;
}

/**
 * Returns the last checkpoint. Suspended and removed tenants have logs too. Like the functions
 * below it throws ServiceError `grant-missing`, `tenant-not-found`, `log-not-found`,
 * `registry-unavailable`.
 */
export const getLogCheckpoint = (deps: ReadLogDeps, request: AuthenticatedRequest, tenantId: string): Promise<string> =>
  reading(deps, request, tenantId, async ({ checkpoint }) => checkpoint);

export interface LogTileInput {
  readonly tenantId: string;
  /** A level of the tree, or `entries`. */
  readonly level: number | 'entries';
  /** A path of C2SP tlog-tiles. */
  readonly index: string;
}

/** Returns the hashes of a tile, or a bundle of entries. */
export const getLogTile = (deps: ReadLogDeps, request: AuthenticatedRequest, input: LogTileInput): Promise<Buffer> =>
  reading(deps, request, input.tenantId, async (signed) => {
    const { level, index } = input;
    if (level === 'entries') return bundle(await linesOf(signed, index));
    const { place, from } = placeIn(signed, level, index);
    const hashes = await tilesOfTenant(signed.log, signed.tenantId).tile(level, place.index);
    if (hashes.length < place.width) throw notInLog(`It has no hashes from ${from} on at level ${level}`);
    return Buffer.concat(hashes.slice(0, place.width));
  });

/** Returns the entries of a tile, each as it was hashed and with a newline. */
export const getLogEntries = (
  deps: ReadLogDeps,
  request: AuthenticatedRequest,
  { tenantId, index }: Omit<LogTileInput, 'level'>,
): Promise<string> =>
  reading(deps, request, tenantId, async (signed) => {
    const lines = await linesOf(signed, index);
    return lines.map((line) => `${line}\n`).join('');
  });

export type LogProofInput = { readonly tenantId: string } & (
  | { readonly sequence: number; readonly from?: undefined }
  | { readonly from: number; readonly sequence?: undefined }
);

/** Returns a proof with the checkpoint that it leads to: of one entry, or that an earlier log is its beginning. */
export const getLogProof = (deps: ReadLogDeps, request: AuthenticatedRequest, input: LogProofInput): Promise<string> =>
  reading(deps, request, input.tenantId, async ({ log, tenantId, checkpoint, size }) => {
    const tiles = tilesOfTenant(log, tenantId);
    const { sequence, from } = input;
    if (sequence === undefined) {
      if (from > size) throw notInLog(`Its last checkpoint has ${size} entries`);
      return consistencyText(from, await consistencyProof(tiles, from, size), checkpoint);
    }
    if (sequence >= size) throw notInLog(`Its last checkpoint has ${size} entries, the first of which is 0`);
    return inclusionText(sequence, await inclusionProof(tiles, sequence, size), checkpoint);
  });

async function reading<T>(
  deps: ReadLogDeps,
  request: AuthenticatedRequest,
  tenantId: string,
  read: (signed: SignedLog) => Promise<T>,
): Promise<T> {
  const { log, tenants } = deps;
  assertGranted(request.principal, 'Audit.Read', tenantId);
  const signed = await log?.signed(tenantId);
  if (!log || !signed) {
    await tenants.get(tenantId);
    throw notInLog(log ? 'It has no checkpoint yet' : 'This deployment has no transparency logs');
  }
  const found = await read({ log, tenantId, ...signed });
  await recordSuccess(deps, request, { operation: 'log-read', tenantId });
  return found;
}

/** Returns the place of a tile that the last checkpoint covers, and the number of its first hash. */
function placeIn({ size }: SignedLog, level: number, path: string) {
  const place = parseTilePath(path);
  if (!place) {
    const detail = 'must be the number of a tile as C2SP tlog-tiles has it, such as 067, x001/067 or 067.p/12';
    throw new ServiceError('malformed-request', `index ${detail}`, { errors: [{ pointer: '/path/index', detail }] });
  }
  const from = place.index * TILE_WIDTH;
  if (from + place.width > Math.floor(size / TILE_WIDTH ** level)) {
    throw notInLog(`Its last checkpoint has ${size} entries`);
  }
  return { place, from };
}

async function linesOf(signed: SignedLog, path: string): Promise<readonly string[]> {
  const { place, from } = placeIn(signed, 0, path);
  const lines = await signed.log.lines(signed.tenantId, from, from + place.width);
  const kept = lines.filter((line) => line !== undefined);
  if (kept.length < place.width) throw notInLog('Its entries are past the retention of audit records');
  return kept;
}

function bundle(lines: readonly string[]): Buffer {
  const bytes = bundleOf(lines);
  if (!bytes) throw notInLog('One of its entries is too long for a bundle: read them as lines');
  return bytes;
}

const notInLog = (detail: string): ServiceError =>
  new ServiceError(
    'log-not-found',
    `The transparency log of the tenant has no such checkpoint, tile or entry. ${detail}`,
  );
