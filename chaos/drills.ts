import { createSecretKey, randomBytes } from 'node:crypto';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { bellTable } from '../src/database/tables/revocations.ts';
import type { Actions } from '../src/emulator/control/control.ts';
import type { ShownDrill } from '../src/operations/drills/drills.ts';
import { bellDigest, bellOf } from '../src/tenants/bells.ts';
import { newPostgres, type TestDatabase } from '../test/support/sql-databases.ts';
import { ways } from '../test/support/ways-to-refuse.ts';
import { type Rehearsed, writeDrillReports } from './drill-reports.ts';
import { register } from './register.ts';
import { type ChaosSite, openChaosSite, type ServiceProcess } from './site.ts';

/**
 * npm run drills: one drill for each way to revoke access, against the emulated Azure, with two
 * processes on PostgreSQL. Exits with 1 when a bound was not held.
 */
const BOUND_SECONDS = 60;
/** With the doorbell, so that the bound itself cannot end a use in time. */
const BELL_BOUND_SECONDS = 300;
/** Longest time from the customer's action to the last refusal, with the doorbell. */
const BELL_SECONDS = 2;
const EXPIRED_SECONDS = 30;
const POLL_MS = 200;
const WRAP_ROLE = 'Key Vault Crypto Service Encryption User';

interface Rehearsal {
  readonly name: string;
  /** The customer's action, in words. */
  readonly action: string;
  readonly refuse: (azure: Actions, name: string) => Promise<unknown>;
  readonly restore: (azure: Actions, name: string) => Promise<unknown>;
  readonly hasBell?: boolean;
  /** Azure still unwraps, so the drill ends after its time. */
  readonly isNoRevocation?: boolean;
}

const wayOf = (name: string, action: string, of = name): Rehearsal => {
  const way = ways[of];
  if (!way) throw new Error(`no way ${of}`);
  return { name, action, refuse: way.refuse, restore: way.restore };
};
const withBell = (rehearsal: Rehearsal): Rehearsal => ({ ...rehearsal, hasBell: true });
const policyOf = (operations: string) => (azure: Actions, vault: string) =>
  azure.setKeyAttributes({
    vault,
    key: 'data',
    tags: { 'vaultspan-tenant': vault, 'vaultspan-operations': operations },
  });

const REHEARSALS: readonly Rehearsal[] = [
  wayOf('disabled-key', 'the key is disabled'),
  wayOf('unreadable-disabled-key', 'the key is disabled, in a vault that does not show disabled keys'),
  wayOf('deleted-key', 'the key is deleted (soft delete)'),
  wayOf('signing-key', "both wrapKey and unwrapKey are removed from the key's operations"),
  wayOf('wrapping-key', "unwrapKey is removed from the key's operations"),
  wayOf('removed-role', 'the role assignment is removed'),
  wayOf('removed-policy', 'the access policy of the vault is removed'),
  wayOf('firewall', "the vault's firewall denies the service"),
  wayOf('disabled-app', 'the service principal is disabled'),
  wayOf('removed-app', 'the service principal is removed'),
  wayOf('conditional-access', 'Conditional Access blocks the app'),
  {
    name: 'policy-tag',
    action: 'the tag `vaultspan-operations` of the key no longer lists `decrypt`',
    refuse: policyOf('encrypt'),
    restore: policyOf('encrypt,decrypt'),
  },
  {
    name: 'expired-key',
    action: 'the key expires: no revocation, since Azure still unwraps with it',
    refuse: (azure, vault) => azure.setKeyAttributes({ vault, key: 'data', exp: 1 }),
    restore: (azure, vault) => azure.setKeyAttributes({ vault, key: 'data', exp: null }),
    isNoRevocation: true,
  },
];
const WITH_BELL: readonly Rehearsal[] = [
  withBell(wayOf('doorbell-disabled-key', 'the key is disabled, and the doorbell rings', 'disabled-key')),
  withBell(wayOf('doorbell-removed-role', 'the role assignment is removed, and the doorbell rings', 'removed-role')),
  withBell(wayOf('doorbell-disabled-app', 'the service principal is disabled, and the doorbell rings', 'disabled-app')),
];

/** The parts of a run. */
interface Stage {
  readonly site: ChaosSite;
  readonly azure: Actions;
  readonly services: readonly ServiceProcess[];
  readonly bells: ReadonlyMap<string, string>;
}

/** Repeats a request that was refused because of the load. */
async function call<Answer>(stage: Stage, method: string, path: string, attempts = 10): Promise<Answer> {
  const response = await fetch(`${stage.services[0]?.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${stage.site.token}`, 'content-type': 'application/json' },
    ...(method === 'POST' && { body: '{}' }),
  });
  if (response.status === 503 && attempts > 1) {
    await response.body?.cancel();
    await sleep(POLL_MS);
    return call(stage, method, path, attempts - 1);
  }
  if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
  return (response.status === 204 ? undefined : await response.json()) as Answer; // as the contract says
}

async function rehearse(stage: Stage, rehearsal: Rehearsal): Promise<Rehearsed> {
  const { name, refuse, restore } = rehearsal;
  const started = await call<ShownDrill>(stage, 'POST', `/tenants/${name}/drills`);
  const path = `/tenants/${name}/drills/${started.report.drillId}`;
  const read = () => call<ShownDrill>(stage, 'GET', path);
  const until = async (isTrue: (drill: ShownDrill) => boolean): Promise<ShownDrill> => {
    for (;;) {
      const drill = await read();
      if (isTrue(drill)) return drill;
      if (drill.step === 'over') throw new Error(`${name}: ended early, ${drill.report.state}`);
      await sleep(POLL_MS);
    }
  };
  await until(({ step, report }) => step === 'revoke' && report.tracks.length === 2 * stage.services.length);
  const revokedAt = Date.now();
  await refuse(stage.azure, name);
  const rangAt = rehearsal.hasBell ? await ring(stage, name) : undefined;
  if (rehearsal.isNoRevocation) {
    await sleep(EXPIRED_SECONDS * 1_000);
    await call(stage, 'DELETE', path);
  } else {
    await until(({ step }) => step === 'restore');
    await restore(stage.azure, name);
  }
  const drill = await until(({ step }) => step === 'over');
  process.stderr.write(`${name}: ${drill.report.verdict}\n`);
  return { ...rehearsal, drill, revokedAt, rangAt };
}

/** Rings at one process. Returns when the answer came. */
async function ring({ services, bells }: Stage, name: string): Promise<number> {
  const response = await fetch(`${services[0]?.url}/doorbell/${bells.get(name)}`, { method: 'POST' });
  if (response.status !== 202) throw new Error(`the doorbell answered ${response.status}`);
  return Date.now();
}

async function makeBells(database: TestDatabase): Promise<ReadonlyMap<string, string>> {
  const key = createSecretKey(randomBytes(32));
  const table = bellTable({ database: await database.open(), origin: 'drills' });
  const bells = new Map(WITH_BELL.map(({ name }) => [name, bellOf(key, name, 0)]));
  for (const [name, bell] of bells) await table.put(name, 0, bellDigest(bell) ?? '');
  return bells;
}

const startedAt = performance.now();
const names = [...REHEARSALS, ...WITH_BELL].map(({ name }) => name);
const site = await openChaosSite(names.map((id) => ({ id, customer: id, key: 'data' })));
const azure = new Proxy({} as Actions, {
  get: (_target, name) => (order: never) => site.order(name as keyof Actions, order),
});
{
  await using database = await newPostgres();
  const settings = { registry: {}, database: database.options, revocation: { boundSeconds: BOUND_SECONDS } };
  const start = (number: number) =>
    site.startService({
      ...settings,
      audit: { directory: `${site.folder}/audit-${number}` },
      telemetry: { logLevel: 'silent' },
    });
  const bounded = site.records.map((record) => ({
    ...record,
    ...(WITH_BELL.some(({ name }) => 'id' in record && record.id === name) && {
      revocationBoundSeconds: BELL_BOUND_SECONDS,
    }),
  }));
  await register(() => start(0), { ...site, records: bounded });
  for (const vault of names) await azure.grantRole({ vault, role: WRAP_ROLE });
  await policyOf('encrypt,decrypt')(azure, 'policy-tag'); // a first policy takes longer
  const services = await Promise.all([start(1), start(2)]);
  const stage: Stage = { site, azure, services, bells: await makeBells(database) };
  const drills = await Promise.all(REHEARSALS.map((rehearsal) => rehearse(stage, rehearsal)));
  for (const rehearsal of WITH_BELL) drills.push(await rehearse(stage, rehearsal));
  const isHeld = await writeDrillReports(drills, {
    boundSeconds: BOUND_SECONDS,
    bellSeconds: BELL_SECONDS,
    seconds: (performance.now() - startedAt) / 1_000,
  });
  process.exitCode = isHeld ? 0 : 1;
  for (const service of services) await service.stop();
}
await site.close();
