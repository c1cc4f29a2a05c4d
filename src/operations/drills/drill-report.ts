import { defined } from '../../lib/defined.ts';
import type { Drill, DrillMode, DrillRecord, DrillState, Sighting } from '../../tenants/drills.ts';

/** The attempts of one process in one mode. */
interface Track {
  readonly process: string;
  readonly mode: DrillMode;
  readonly sightings: readonly Sighting[];
}

/** A process without an attempt for so long has stopped. It is above each deadline of a vault call. */
const SILENT_MS = 30_000;

const tracksOf = (sightings: readonly Sighting[]): readonly Track[] =>
  [...Map.groupBy(sightings, ({ process, mode }) => `${process} ${mode}`).values()].flatMap((some) => {
    const [first] = some;
    return first ? [{ process: first.process, mode: first.mode, sightings: some }] : [];
  });

/** Returns the state in which a running drill must end now; undefined while it continues. */
export function endingOf({ drill, sightings, now }: Omit<DrillRecord, 'report'>): DrillState | undefined {
  const tracks = tracksOf(sightings);
  if (tracks.length > 0 && tracks.every((track) => firstRefusal(track) && isAllowed(track))) return 'finished';
  if (now >= drill.endsAt) return 'timed-out';
  const lastOf = Map.groupBy(sightings, ({ process }) => process);
  const lasts = [...lastOf.values()].map((some) => Math.max(...some.map(({ to }) => to)));
  const silentSince = lasts.length > 0 ? Math.min(...lasts) : drill.startedAt;
  return now - silentSince > SILENT_MS ? 'interrupted' : undefined;
}

const firstRefusal = ({ sightings }: Pick<Track, 'sightings'>): Sighting | undefined =>
  sightings.find(({ outcome }) => outcome === 'refused');

const isAllowed = ({ sightings }: Track): boolean => sightings.at(-1)?.outcome === 'allowed';

/** The next step of the customer: to wait, to revoke access, or to restore it. */
export type DrillStep = 'starting' | 'revoke' | 'wait-for-refusals' | 'restore' | 'wait-for-access' | 'over';

/** Returns what a drill waits for. */
export function stepOf({ drill, sightings }: Pick<DrillRecord, 'drill' | 'sightings'>): DrillStep {
  if (drill.state !== 'running') return 'over';
  const tracks = tracksOf(sightings);
  if (tracks.length === 0) return 'starting';
  const refused = tracks.filter(firstRefusal);
  if (refused.length === 0) return tracks.every(isAllowed) ? 'revoke' : 'starting';
  if (refused.length < tracks.length) return 'wait-for-refusals';
  return tracks.some(isAllowed) ? 'wait-for-access' : 'restore';
}

/**
 * `held`: every process refused, and none used the key longer than the bound after the first
 * refusal. `not-held`: one did. `not-shown`: a process never refused, so the drill shows nothing.
 */
export type DrillVerdict = 'held' | 'not-held' | 'not-shown';

interface DrillAttempts extends Omit<Sighting, 'process' | 'mode' | 'number' | 'from' | 'to'> {
  readonly from: string;
  readonly to: string;
}

export interface DrillTrack {
  readonly process: string;
  readonly mode: DrillMode;
  /** How long after the first refusal by Azure it still used the key. */
  readonly usedForSeconds?: number;
  /** The same for its own first refusal. */
  readonly refusedAfterSeconds?: number;
  readonly refusedAt?: string;
  readonly backAt?: string;
  readonly attempts: readonly DrillAttempts[];
}

/** The result of a drill, as it is signed. */
export interface DrillReport {
  readonly format: 'vaultspan-drill-1';
  readonly tenantId: string;
  readonly drillId: string;
  readonly state: DrillState;
  readonly startedAt: string;
  readonly endedAt?: string;
  readonly startedBy: string;
  /** The bound that was promised. */
  readonly boundSeconds: number;
  /** The same for a revocation that only a new sign-in finds: the bound, and the age of a token. */
  readonly signInBoundSeconds: number;
  readonly verdict: DrillVerdict;
  /** How the customer revoked access, as far as Azure's refusals say. */
  readonly revokedBy: readonly string[];
  /** The first refusal by Azure that any process got. */
  readonly azureRefusedAt?: string;
  /** When Azure allowed the first vault call after a refusal. */
  readonly azureBackAt?: string;
  /** The longest use of the key after the first refusal. */
  readonly longestUseSeconds?: number;
  /** When the last process refused, counted from the first refusal. */
  readonly refusedEverywhereAfterSeconds?: number;
  readonly backEverywhereAt?: string;
  readonly tracks: readonly DrillTrack[];
}

/** Returns the report of a drill, which has no result before it ended. */
export function drillReport({ drill, sightings }: Pick<DrillRecord, 'drill' | 'sightings'>): DrillReport {
  const tracks = tracksOf(sightings);
  const refusals = sightings.filter(({ outcome }) => outcome === 'refused');
  const refusedAt = refusals.length > 0 ? Math.min(...refusals.map(({ from }) => from)) : undefined;
  const backAt = azureBackAt(tracks);
  const shown = tracks.map((track) => shownTrack(track, refusedAt, backAt));
  const isEverywhere = tracks.length > 0 && tracks.every(firstRefusal);
  const afters = shown.map(({ refusedAfterSeconds = 0 }) => refusedAfterSeconds);
  const uses = shown.map(({ usedForSeconds = 0 }) => usedForSeconds);
  const backs = shown.flatMap(({ backAt }) => (backAt === undefined ? [] : [backAt]));
  return defined({
    format: 'vaultspan-drill-1' as const,
    tenantId: drill.tenantId,
    drillId: drill.id,
    state: drill.state,
    startedAt: time(drill.startedAt),
    endedAt: drill.endedAt === undefined ? undefined : time(drill.endedAt),
    startedBy: drill.startedBy,
    boundSeconds: drill.boundMs / 1_000,
    signInBoundSeconds: drill.signInBoundMs / 1_000,
    verdict: verdictOf(boundOf(drill, refusals), uses, isEverywhere),
    revokedBy: [...new Set(refusals.map(({ code = '', reason }) => reason ?? code))],
    azureRefusedAt: refusedAt === undefined ? undefined : time(refusedAt),
    azureBackAt: backAt === undefined ? undefined : time(backAt),
    longestUseSeconds: refusedAt === undefined ? undefined : Math.max(...uses),
    refusedEverywhereAfterSeconds: isEverywhere ? Math.max(...afters) : undefined,
    backEverywhereAt: isEverywhere && backs.length === tracks.length ? backs.toSorted().at(-1) : undefined,
    tracks: shown,
  });
}

/** A token that was issued serves on: Azure itself accepts it after the app was disabled. */
const boundOf = ({ boundMs, signInBoundMs }: Drill, refusals: readonly Sighting[]): number =>
  refusals.some(({ scope }) => scope === 'tenant') ? signInBoundMs : boundMs;

function verdictOf(boundMs: number, uses: readonly number[], isEverywhere: boolean): DrillVerdict {
  if (uses.some((seconds) => seconds * 1_000 > boundMs)) return 'not-held';
  return isEverywhere ? 'held' : 'not-shown';
}

function shownTrack(track: Track, azureAt: number | undefined, azureBack: number | undefined): DrillTrack {
  const { process, mode, sightings } = track;
  const refusal = firstRefusal(track);
  const lastRefused = sightings.findLastIndex(({ outcome }) => outcome === 'refused');
  const back = lastRefused < 0 ? undefined : sightings.slice(lastRefused).find(({ outcome }) => outcome === 'allowed');
  return defined({
    process,
    mode,
    usedForSeconds: azureAt === undefined ? undefined : usedFor(sightings, azureAt, azureBack),
    refusedAfterSeconds: refusal && azureAt !== undefined ? (refusal.from - azureAt) / 1_000 : undefined,
    refusedAt: refusal && time(refusal.from),
    backAt: back && time(back.from),
    attempts: sightings.map(({ process: _process, mode: _mode, number: _number, from, to, ...rest }) =>
      defined({ ...rest, from: time(from), to: time(to) }),
    ),
  });
}

/**
 * Returns when Azure first allowed a call again after a refusal: from then on it allows every use. A
 * warm attempt shows that only by a vault call that it did not rely on before.
 */
function azureBackAt(tracks: readonly Track[]): number | undefined {
  const backs = tracks.flatMap((track) => {
    const refusal = firstRefusal(track);
    if (!refusal) return [];
    const { mode, sightings } = track;
    const before = new Set(sightings.filter(({ from }) => from <= refusal.from).map(vaultCallOf));
    const isAsked = (seen: Sighting) => mode === 'cold' || !before.has(vaultCallOf(seen));
    const isBack = (seen: Sighting) => seen.outcome === 'allowed' && seen.from > refusal.from && isAsked(seen);
    return sightings.find(isBack)?.from ?? [];
  });
  return backs.length > 0 ? Math.min(...backs) : undefined;
}

const vaultCallOf = ({ vaultRequestId, vaultClientRequestId }: Sighting): string | undefined =>
  vaultRequestId ?? vaultClientRequestId;

/** Returns how long a process used the key while Azure refused it. */
function usedFor(sightings: readonly Sighting[], azureAt: number, azureBack = Number.POSITIVE_INFINITY): number {
  const uses = sightings
    .filter(({ outcome, from }) => outcome === 'allowed' && from < azureBack)
    .map(({ to }) => Math.min(to, azureBack) - azureAt);
  return Math.max(0, ...uses) / 1_000;
}

const time = (ms: number): string => new Date(ms).toISOString();
