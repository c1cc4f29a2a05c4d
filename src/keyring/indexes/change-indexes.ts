import type { Normalize } from '../../format/index-key.ts';
import { vaultKeyOf } from '../branches/branch-deps.ts';
import type { NewStoredKey } from '../keyring-store.ts';
import { sealStoredKey, storedKeyBytes } from '../stored-key-jwe.ts';
import { justWritten, lostVersion, noSuchVersion, notReady, stillWritten, tooManyVersions } from './index-errors.ts';
import { type IndexPlan, type VersionRow, writesAloneFrom } from './index-plan.ts';
import type { Reading } from './index-rows.ts';
import { type IndexVersion, indexLabel, parseIndexLabel } from './index-version.ts';
import type { TenantIndexes } from './tenant-indexes.ts';

const ID_BYTES = 8;
/** Each live version adds its tokens to every look-up. */
const MAX_LIVE = 8;
/** Stored index keys of a tenant, retired ones included. */
const MAX_STORED = 1_024;

/** The settings of an index in its tenant's record. */
export type IndexSettings = Pick<IndexVersion, 'bits' | 'normalize'>;

/** The part of a version in calls. */
type VersionState = 'pending' | 'written' | 'searched' | 'retired';

/** One version of an index, as an operator sees it. */
export interface ShownVersion {
  readonly version: number;
  readonly bits: number;
  readonly normalize: Normalize;
  readonly state: VersionState;
  /** RFC 3339. */
  readonly createdAt: string;
  /** The version of the customer's key that wraps it. */
  readonly keyId: string;
}

/** Returns every version of an index, the oldest first. */
export async function listVersions(indexes: TenantIndexes, name: string): Promise<readonly ShownVersion[]> {
  return shown(indexes, await indexes.rows.refresh(), name);
}

/**
 * Makes the first version of each index that has none. It is called for a record and never for a
 * look-up.
 * @throws ServiceError `registry-unavailable` and the failures of the vault
 */
export async function makeFirstVersions(
  indexes: TenantIndexes,
  wanted: Readonly<Record<string, IndexSettings>>,
): Promise<void> {
  const { keys, versions, databaseId } = await indexes.rows.refresh();
  if (indexes.deps.boundTo() !== databaseId) return;
  const unknown = keys.filter(({ label }) => parseIndexLabel(label) === undefined);
  for (const row of unknown) indexes.deps.onDisagreement(row);
  if (unknown.length > 0) return; // an altered label may be the one that seems to be missing
  for (const [name, settings] of Object.entries(wanted)) {
    if (!versions.has(name)) await make(indexes, { name, version: 1, ...settings }, keys.length);
  }
}

/**
 * Makes the next version of an index. While the newest one does not write yet and has the same
 * settings, nothing is made, so that a call may be repeated.
 * @throws ServiceError `index-version` for too many versions, `registry-unavailable` and the
 * failures of the vault
 */
export async function rotateIndex(
  indexes: TenantIndexes,
  name: string,
  settings: IndexSettings,
): Promise<readonly ShownVersion[]> {
  const reading = await indexes.rows.refresh();
  const plan = indexes.rows.planIn(reading, name);
  if (!plan.isBound) throw notReady(false);
  if (plan.missing !== undefined) throw lostVersion(plan.missing);
  if (!isPending(plan, settings)) {
    if (plan.live.length >= MAX_LIVE) throw tooManyVersions();
    await make(indexes, { name, version: plan.highest + 1, ...settings }, reading.keys.length);
  }
  return shown(indexes, await indexes.rows.reread(), name);
}

/**
 * Retires a version: its key is destroyed, and rows that only it finds are no longer found. A
 * version that is retired already stays so.
 * @throws ServiceError `index-version`
 */
export async function retireVersion(
  indexes: TenantIndexes,
  name: string,
  version: number,
): Promise<readonly ShownVersion[]> {
  const { store, settings, copies, onEvent } = indexes.deps;
  const reading = await indexes.rows.refresh();
  const all = reading.versions.get(name) ?? [];
  const plan = indexes.rows.planIn(reading, name);
  if (plan.missing !== undefined) throw lostVersion(plan.missing);
  const ofVersion = all.filter((one) => one.version === version);
  const retiring = ofVersion.filter(({ row }) => row.jwe !== undefined);
  if (ofVersion.length === 0) throw noSuchVersion();
  if (retiring.length > 0) {
    assertUnwritten(plan, version, reading.nowMs, settings.settleMs);
    const destroyed = await store.destroy(
      indexes.tenant.id,
      retiring.map(({ row }) => row.id),
    );
    for (const { row } of retiring) {
      const { jwe } = row;
      if (jwe !== undefined && destroyed.some(({ id }) => id === row.id))
        await onEvent('index-retired', { ...row, jwe });
    }
  }
  // A repeated call notes it again: the copies of an earlier one may not have been reached.
  await copies.writeDestroyed(ofVersion.map(({ row: { jwe: _jwe, ...row } }) => row));
  return shown(indexes, await indexes.rows.reread(), name);
}

/** Seals a new index key under the current data key of the default key, stores it and copies it. */
async function make(indexes: TenantIndexes, version: IndexVersion, stored: number): Promise<void> {
  const { tenant, dataKeys, deps, rows } = indexes;
  if (stored >= MAX_STORED) throw tooManyVersions();
  const key = tenant.keys[tenant.defaultKey];
  if (!key) throw new Error('a record without its default key');
  const use = await dataKeys.forSealing(key, storedKeyBytes('index'));
  const { kid, kek } = use.key.dataKey;
  const name = { kind: 'index', id: deps.draw(ID_BYTES).toString('base64url'), label: indexLabel(version) } as const;
  const row: NewStoredKey = {
    ...name,
    tenantId: tenant.id,
    vaultKey: vaultKeyOf(kek),
    jwe: sealStoredKey(use, deps.draw(storedKeyBytes('index')), name),
    kid,
  };
  const isMade = await deps.store.create(row);
  rows.changed();
  if (!isMade) return; // another process was quicker
  if (await deps.copies.write(row)) await deps.store.markCopied([row]);
  await deps.onEvent('index-created', row);
  rows.changed(); // a concurrent reading does not include the copy
}

const isPending = ({ live, writing }: IndexPlan, { bits, normalize }: IndexSettings): boolean => {
  const newest = live.at(-1);
  return (
    newest !== undefined &&
    newest.version !== writing?.version &&
    newest.bits === bits &&
    newest.normalize === normalize
  );
};

/**
 * Checks that no process writes this version any more.
 * @throws ServiceError `index-version`
 */
function assertUnwritten({ live, writing }: IndexPlan, version: number, nowMs: number, settleMs: number): void {
  if (!writing || version >= writing.version) throw stillWritten();
  const successors = live.filter((live) => live.version > version && live.version <= writing.version);
  const aloneFrom = Math.min(...successors.map((one) => writesAloneFrom(one, settleMs)));
  if (nowMs >= aloneFrom) return;
  throw justWritten(aloneFrom - nowMs);
}

function shown(indexes: TenantIndexes, reading: Reading, name: string): readonly ShownVersion[] {
  const { writing } = indexes.rows.planIn(reading, name);
  return (reading.versions.get(name) ?? []).map((one) => ({
    version: one.version,
    bits: one.bits,
    normalize: one.normalize,
    state: stateOf(one, writing),
    createdAt: new Date(one.row.createdAt).toISOString(),
    keyId: one.row.kid,
  }));
}

function stateOf({ row, version }: VersionRow, writing: VersionRow | undefined): VersionState {
  if (row.jwe === undefined) return 'retired';
  if (row.id === writing?.row.id) return 'written';
  return writing === undefined || version > writing.version ? 'pending' : 'searched';
}
