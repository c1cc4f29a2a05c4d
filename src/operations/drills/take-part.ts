import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditSink } from '../../audit/sink.ts';
import { ServiceError, type VaultCallIds } from '../../errors.ts';
import type { DataKeys } from '../../keyring/data-keys.ts';
import type { PolicedUse } from '../../keyring/policy/assert-allowed.ts';
import type { Clock } from '../../lib/clock.ts';
import { stringOf } from '../../lib/json-safe.ts';
import type { DrawRandom } from '../../lib/random.ts';
import type { Drill, DrillMode, DrillRecord, DrillStore, Sighting } from '../../tenants/drills.ts';
import type { RegisteredKey, Tenant } from '../../tenants/record.ts';
import type { TenantRegistry } from '../../tenants/registry.ts';
import { openMessage } from '../open-message.ts';
import { dataKeyByAlias } from '../registered-key.ts';
import { sealMessage } from '../seal-message.ts';
import { endingOf } from './drill-report.ts';

export interface TakePartDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly drills: Pick<DrillStore, 'find' | 'see' | 'end'>;
  readonly audit: AuditSink;
  readonly clock: Clock;
  readonly draw: DrawRandom;
  /** Name of this process in the report. */
  readonly process: string;
  readonly dataKeys: DataKeys;
  /** Returns keys that share nothing with those in memory, the sign-in included. */
  readonly openColdKeys: () => DataKeys;
}

const EVERY_MS = 1_000;
const SAMPLE_BYTES = 32;
/** A process whose outcome changes more often shows no revocation. */
const MAX_CHANGES = 50;

/** The sample has no context. A policy on the key sees these claims. */
const USE: PolicedUse = { operation: 'decrypt', access: { subject: 'drill', reason: 'drill', label: 'drill' } };
const REFUSALS: ReadonlySet<string> = new Set(['access-revoked', 'policy-refused', 'tenant-misconfigured']);

/**
 * Takes part in a drill until it ends or the signal is aborted: once a second it decrypts a sample,
 * with the keys in memory and without them.
 * @throws ServiceError `registry-unavailable`, `audit-unavailable`
 */
export async function takePart(deps: TakePartDeps, drill: Drill, signal: AbortSignal): Promise<void> {
  const ended = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal]);
  const inMode = async (mode: DrillMode) => {
    try {
      await attemptEachSecond(deps, drill, mode, stop);
    } finally {
      ended.abort();
    }
  };
  await Promise.all([inMode('warm'), inMode('cold')]);
}

async function attemptEachSecond(deps: TakePartDeps, drill: Drill, mode: DrillMode, stop: AbortSignal): Promise<void> {
  const { clock, drills } = deps;
  const attempt = attempter(deps, drill.tenantId, mode);
  let last: Omit<Sighting, 'from' | 'to'> | undefined;
  const time = new DatabaseTime(clock);
  const read = () => time.read(() => drills.find(drill.tenantId, drill.id));
  const before = (await read())?.sightings ?? []; // this process may take part again
  let number = before.filter((seen) => seen.process === deps.process && seen.mode === mode).length;
  while (!stop.aborted) {
    const beganAt = clock.monotonicMs();
    const found = await attempt();
    const answeredAt = clock.monotonicMs();
    if (found === 'inactive' || number >= MAX_CHANGES) {
      await drills.end(drill, 'interrupted');
      return;
    }
    if (!last || !isSame(last, found)) {
      last = { process: deps.process, mode, number, ...(await recorded(deps, drill, found)) };
      number += 1;
    }
    if (!(await drills.see(drill, last, time.at(last.outcome === 'allowed' ? beganAt : answeredAt)))) return;
    await endIfOver(drills, await read());
    const leftMs = EVERY_MS - (clock.monotonicMs() - beganAt);
    await sleep(Math.max(0, leftMs), undefined, { ref: false, signal: stop }).catch(() => undefined);
  }
}

/** Ends a drill that is over; `end` changes none that has ended. */
async function endIfOver(drills: TakePartDeps['drills'], record: DrillRecord | undefined): Promise<void> {
  const ending = record && endingOf(record);
  if (record && ending !== undefined) await drills.end(record.drill, ending);
}

/**
 * The database's time, which all processes share. A write may wait for others, so its own time would
 * be late.
 */
class DatabaseTime {
  readonly #clock: Clock;
  #offsetMs = 0;
  #uncertainMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Returns a reading, and compares the clocks if it was quicker than the ones before. */
  async read<T extends { readonly now: number }>(find: () => Promise<T | undefined>): Promise<T | undefined> {
    const beganAt = this.#clock.monotonicMs();
    const found = await find();
    const tookMs = this.#clock.monotonicMs() - beganAt;
    if (found && tookMs < this.#uncertainMs) {
      this.#uncertainMs = tookMs;
      this.#offsetMs = found.now - beganAt - tookMs / 2;
    }
    return found;
  }

  /** Returns the database's time at a moment of the monotonic clock. */
  at(monotonicMs: number): number {
    return Math.round(monotonicMs + this.#offsetMs);
  }
}

interface Found extends Omit<Sighting, 'process' | 'mode' | 'number' | 'auditRequestId' | 'from' | 'to'> {
  readonly policy?: string | undefined;
}

const isSame = (one: Found, other: Found): boolean =>
  one.outcome === other.outcome && one.code === other.code && one.reason === other.reason;

/** Records the change and returns it without the policy. No record, no entry in the report. */
async function recorded({ audit }: TakePartDeps, { tenantId }: Drill, found: Found) {
  const auditRequestId = randomUUID();
  const { outcome, policy, scope, ...facts } = found;
  await audit.record({
    operation: 'drill',
    outcome: outcome === 'allowed' ? 'succeeded' : outcome,
    requestId: auditRequestId,
    tenantId,
    ...facts,
    policy,
  });
  return { ...facts, outcome, scope, auditRequestId };
}

/** Returns a function that makes one attempt, which never rejects because of Azure. */
function attempter(deps: TakePartDeps, tenantId: string, mode: DrillMode): () => Promise<Found | 'inactive'> {
  let sample: Sample | undefined;
  return async () => {
    try {
      const tenant = await deps.tenants.get(tenantId);
      if (tenant.state !== 'active') return 'inactive';
      sample ??= await newSample(deps, tenant, mode);
      return await openSample(mode === 'warm' ? deps.dataKeys : deps.openColdKeys(), tenant, sample);
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      return error.code === 'tenant-not-found' ? 'inactive' : foundIn(error);
    }
  };
}

async function openSample(dataKeys: DataKeys, tenant: Tenant, { ciphertext, plaintext }: Sample): Promise<Found> {
  const opened = await openMessage({ dataKeys, countKeyUse }, tenant, ciphertext, USE);
  if (!plaintext.equals(opened.plaintext)) throw new ServiceError('internal', 'The sample decrypts to other bytes');
  return { outcome: 'allowed', keyId: opened.keyId, ...idsOf(opened.vaultCall) };
}

const foundIn = ({ code, reason, scope, vaultCall }: ServiceError): Found => ({
  outcome: REFUSALS.has(code) ? 'refused' : 'failed',
  code,
  reason,
  scope,
  ...idsOf(vaultCall),
});

const countKeyUse = (): void => undefined;

const idsOf = (vaultCall: VaultCallIds | undefined) => ({
  vaultRequestId: vaultCall?.vaultRequestId,
  vaultClientRequestId: vaultCall?.vaultClientRequestId,
  policy: vaultCall?.policy,
});

interface Sample {
  readonly ciphertext: string;
  readonly plaintext: Buffer;
}

/**
 * Returns a sample under the default key, of its form. A cold attempt opens one that the customer's
 * key itself wraps.
 */
async function newSample({ dataKeys, draw }: TakePartDeps, tenant: Tenant, mode: DrillMode): Promise<Sample> {
  const plaintext = draw(SAMPLE_BYTES);
  const registered = dataKeyByAlias(tenant, undefined);
  const key: RegisteredKey = mode === 'warm' ? registered : { ...registered, form: 'self-contained' };
  const { ciphertext } = await sealMessage({ dataKeys, countKeyUse }, tenant, key, plaintext, { operation: 'check' });
  return { ciphertext: stringOf(ciphertext), plaintext };
}
