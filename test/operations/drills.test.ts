import { createPublicKey } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { compactVerify } from 'jose';
import { newSecretKey } from '../../src/azure/home/home-keys.ts';
import { openHome } from '../../src/compose/home.ts';
import { openReceiptsKey } from '../../src/compose/receipts.ts';
import type { Control } from '../../src/emulator/control/control.ts';
import type { DrillReport, DrillTrack } from '../../src/operations/drills/drill-report.ts';
import type { ShownDrill } from '../../src/operations/drills/drills.ts';
import { settingsFor } from '../support/config.ts';
import { addCustomers, changeTenant, changeTenants } from '../support/customers.ts';
import { type CliRun, runCli } from '../support/run-cli.ts';
import { type SecondProcess, startSecondProcess } from '../support/second-process.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';
import { ways } from '../support/ways-to-refuse.ts';

/** The drills run at the same time, and in step: between two steps the clock can be moved. */
const BOUND_SECONDS = 1;
const LONG_BOUND_SECONDS = 600;
const LIMIT_MS = 600_000;
/** In-memory refusals are checked again after 10 s, and a token serves for 60 s. */
const LONGEST_PAUSE_SECONDS = 61;
const SIGN_INS: ReadonlySet<string> = new Set(['disabled-app', 'removed-app', 'conditional-access']);

interface Way {
  readonly refuse: (control: Control, name: string) => Promise<void>;
  readonly restore: (control: Control, name: string) => Promise<void>;
  readonly reason: string;
}

const tags = (operations: string) => async (control: Control, vault: string) =>
  control.setKeyAttributes({
    vault,
    key: 'data',
    tags: { 'vaultspan-tenant': vault, 'vaultspan-operations': operations },
  });
const policy: Way = {
  refuse: tags('encrypt'),
  restore: tags('encrypt,decrypt'),
  reason: 'vaultspan-operations',
};
const rows: readonly (readonly [string, Way])[] = [
  ...Object.entries(ways).flatMap(([name, { refuse, restore, decrypt }]): [string, Way][] =>
    decrypt ? [[name, { refuse, restore, reason: decrypt.reason }]] : [],
  ),
  ['policy', policy],
];
const disableKey: Way = {
  refuse: (control, vault) => control.disableKey({ vault, key: 'data' }),
  restore: (control, vault) => control.enableKey({ vault, key: 'data' }),
  reason: 'key-disabled',
};
const OTHERS = ['expiry', 'cancelled', 'killed', 'suspended', 'command', 'bell'];

let service: TestService;
let other: SecondProcess;
/** Of commands. */
let config: string;
beforeAll(async () => {
  const audit = { database: true };
  const receipts = { origin: 'vendor.example/vaultspan', checkpointSeconds: 1 };
  service = await startService({
    homeSecrets: { 'vaultspan-bell-key': newSecretKey() },
    config: { audit, receipts },
  });
  config = join(service.folder, 'config.json');
  await writeFile(join(service.folder, 'ca.pem'), service.emulator.caPem);
  const settings = settingsFor(service.emulator, service.folder);
  await writeFile(
    config,
    JSON.stringify({ ...settings, audit: { ...audit, directory: join(service.folder, 'audit') }, receipts }),
  );
  await addCustomers(service, [...rows.map(([name]) => name), ...OTHERS]);
  await changeTenants(service, (tenant) => ({
    ...tenant,
    revocationBoundSeconds: tenant.id === 'bell' ? LONG_BOUND_SECONDS : BOUND_SECONDS,
  }));
  await policy.restore(service.emulator.control, 'policy'); // a first policy takes longer
  other = await startSecondProcess(service, {
    receipts,
    audit: { ...audit, directory: join(service.folder, 'other-audit') },
    database: { file: join(service.folder, 'vaultspan.db') },
  });
}, LIMIT_MS);
afterAll(async () => {
  await other[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
});

const start = async (tenant: string, body: object = {}): Promise<ShownDrill> =>
  (await service.post(`/tenants/${tenant}/drills`, body).expect(200)).body;
const pathOf = ({ report: { tenantId, drillId } }: ShownDrill): string => `/tenants/${tenantId}/drills/${drillId}`;
/** Reads with a pause, since many drills run at once. */
const get = async (drill: ShownDrill): Promise<ShownDrill> => {
  await sleep(400);
  return (await service.request().get(pathOf(drill)).set('Authorization', `Bearer ${service.token()}`).expect(200))
    .body;
};
/**
 * Waits until the drill is as the condition says.
 * @throws Error when it ends before
 */
const untilDrill = (drill: ShownDrill, what: string, isSo: (found: ShownDrill) => boolean) =>
  until(
    async () => {
      const found = await get(drill);
      if (isSo(found)) return true;
      if (found.step === 'over') throw new Error(`${drill.report.tenantId}: ${found.report.state} before ${what}`);
      return false;
    },
    `${drill.report.tenantId}: ${what}`,
    LIMIT_MS,
  );
const untilStep = (drill: ShownDrill, wanted: ShownDrill['step']) =>
  untilDrill(drill, wanted, ({ step }) => step === wanted);
/** Waits until both processes, warm and cold, decrypt. */
const untilAllTakePart = (drill: ShownDrill) =>
  untilDrill(drill, 'all take part', ({ step, report }) => step === 'revoke' && report.tracks.length === 4);

async function ring(tenant: string): Promise<void> {
  const bell = runCli(['bell', 'show', tenant, '--config', config], { cwd: service.folder });
  await bell.exitCode;
  await service.request().post(`/doorbell/${bell.out().trim()}`).expect(202);
}

/** A drill in steps. Each resolves when its step has had its effect. */
interface Rehearsal {
  readonly revoke: () => Promise<void>;
  /** Resolves when Azure allows the cold attempts again. */
  readonly restore: () => Promise<void>;
  readonly end: () => Promise<void>;
}

/** Starts a drill. Resolves when every process takes part. */
async function rehearse(name: string, way: Way, onRevoked?: (drill: ShownDrill) => Promise<void>): Promise<Rehearsal> {
  const { control } = service.emulator;
  const drill = await start(name);
  await untilAllTakePart(drill);
  return {
    revoke: async () => {
      await way.refuse(control, name);
      if (onRevoked) {
        await untilStep(drill, 'wait-for-refusals');
        await onRevoked(drill);
        await ring(name);
      }
      await untilStep(drill, 'restore');
    },
    restore: async () => {
      await way.restore(control, name);
      const areBack = ({ mode, backAt }: DrillTrack) => mode === 'warm' || backAt !== undefined;
      await untilDrill(drill, 'Azure allows it', ({ report }) => report.tracks.every(areBack));
    },
    end: async () => {
      await untilStep(drill, 'over');
      ended.set(name, await get(drill));
    },
  };
}

/** The same by the command, with the folder of the service as the place of the report. */
async function rehearseByCommand(): Promise<Rehearsal> {
  const { control } = service.emulator;
  const run = runCli(['drill', 'command', '--to', service.folder, '--config', config], { cwd: service.folder });
  command = run;
  const says = (text: string, times = 1) =>
    until(() => run.err().split(text).length > times, `the command says ${text}`, LIMIT_MS);
  await says('Now revoke access');
  return {
    revoke: async () => {
      await control.removeRole({ vault: 'command' });
      await says('Now restore access');
    },
    restore: async () => {
      await control.grantRole({ vault: 'command', role: 'Key Vault Crypto Service Encryption User' });
      await says('cold keys: access is back', 2);
    },
    end: async () => {
      await run.exitCode;
    },
  };
}

/** The drills that ran in step, by tenant. */
const ended = new Map<string, ShownDrill>();
let command: CliRun;
/** The warm attempts of the bell's tenant before it rang. */
let beforeTheBell: readonly DrillTrack[];
let expiring: ShownDrill;
beforeAll(async () => {
  expiring = await start('expiry', { maxSeconds: 10 });
  await untilAllTakePart(expiring);
  await service.emulator.control.setKeyAttributes({ vault: 'expiry', key: 'data', exp: 1 });
  const drills = await Promise.all([
    ...rows.map(([name, way]) => rehearse(name, way, SIGN_INS.has(name) ? async () => undefined : undefined)),
    rehearse('bell', disableKey, async (drill) => {
      beforeTheBell = (await get(drill)).report.tracks.filter(({ mode }) => mode === 'warm');
    }),
    rehearseByCommand(),
  ]);
  await Promise.all(drills.map(({ revoke }) => revoke()));
  await Promise.all(drills.map(({ restore }) => restore()));
  service.clock.advance(LONGEST_PAUSE_SECONDS);
  await Promise.all(drills.map(({ end }) => end()));
}, LIMIT_MS);

const auditOf = async (): Promise<readonly Record<string, unknown>[]> => {
  const folder = join(service.folder, 'other-audit');
  const texts = await Promise.all((await readdir(folder)).map((file) => readFile(join(folder, file), 'utf8')));
  const lines = texts.flatMap((text) => text.split('\n').filter((line) => line !== ''));
  return [...(await service.auditRecords()), ...lines.map((line) => JSON.parse(line))];
};

test.each(rows)(
  'a drill of %s shows that every process refused, warm and cold, and worked again',
  async (name, { reason }) => {
    const { report, jws = '', markdown } = ended.get(name) ?? { report: undefined };
    expect(report).toMatchObject({ state: 'finished', verdict: 'held', revokedBy: expect.arrayContaining([reason]) });
    const { tracks, azureRefusedAt = '', longestUseSeconds, signInBoundSeconds } = report as DrillReport;
    expect(tracks.map(({ mode }) => mode).toSorted()).toEqual(['cold', 'cold', 'warm', 'warm']);
    expect(new Set(tracks.map(({ process }) => process)).size).toBe(2);
    for (const { refusedAt = '', backAt = '', attempts } of tracks) {
      expect([azureRefusedAt <= refusedAt, refusedAt < backAt]).toEqual([true, true]);
      // On a busy machine an attempt may fail before the vault has answered it.
      const decided = attempts.map(({ outcome }) => outcome).filter((outcome) => outcome !== 'failed');
      expect([decided.at(0), decided.at(-1)]).toEqual(['allowed', 'allowed']);
    }
    expect(signInBoundSeconds).toBe(BOUND_SECONDS + 60);
    expect(longestUseSeconds).toBeLessThanOrEqual(SIGN_INS.has(name) ? signInBoundSeconds : BOUND_SECONDS);
    expect(markdown).toContain('**The bound was held.**');
    const records = await auditOf();
    for (const { outcome, code, auditRequestId, vaultRequestId } of tracks.flatMap(({ attempts }) => attempts)) {
      const record = records.find(({ requestId }) => requestId === auditRequestId);
      expect(record).toMatchObject({
        operation: 'drill',
        outcome: { allowed: 'succeeded', refused: 'refused', failed: 'failed' }[outcome],
        tenantId: name,
        ...(code !== undefined && { code }),
        ...(vaultRequestId !== undefined && { vaultRequestId }),
      });
    }
    expect((await verified(jws)).payload).toEqual(report);
  },
);

/** Verifies with a library that is not ours. */
async function verified(jws: string) {
  const key = await openReceiptsKey({ config: service.config, home: openHome(service.config) }).read();
  const publicKey = createPublicKey({ key: Buffer.from(key.publicKey), type: 'spki', format: 'der' });
  const { payload, protectedHeader } = await compactVerify(jws, publicKey, { algorithms: ['ES256'] });
  return { payload: JSON.parse(Buffer.from(payload).toString()) as DrillReport, protectedHeader };
}

test('an altered report does not verify', async () => {
  const drill = await start('cancelled');
  await service.request().delete(pathOf(drill)).set('Authorization', `Bearer ${service.token()}`).expect(204);
  const { jws = '', report } = await get(drill);
  expect(report).toMatchObject({ state: 'cancelled', verdict: 'not-shown' });
  expect((await verified(jws)).protectedHeader).toMatchObject({ alg: 'ES256', typ: 'vaultspan-drill+json' });
  const [header, , signature] = jws.split('.');
  const payload = Buffer.from(JSON.stringify({ ...report, verdict: 'held' })).toString('base64url');
  await expect(verified([header, payload, signature].join('.'))).rejects.toThrow();
});

test(
  'an expired key still decrypts, so the drill shows nothing and ends after its time',
  async () => {
    await untilStep(expiring, 'over');
    const { report } = await get(expiring);
    expect(report).toMatchObject({ state: 'timed-out', verdict: 'not-shown', revokedBy: [] });
  },
  LIMIT_MS,
);

test(
  'a process that stops interrupts the drill, and a new drill can start',
  async () => {
    const drill = await start('killed');
    await untilAllTakePart(drill);
    const running = await service.post('/tenants/killed/drills', {});
    expect([running.status, running.body.code]).toEqual([409, 'drill-running']);
    forgetProcess(drill);
    await untilStep(drill, 'over');
    expect((await get(drill)).report).toMatchObject({ state: 'interrupted', verdict: 'not-shown' });
    const next = await start('killed');
    expect(next.report.drillId).not.toBe(drill.report.drillId);
    await service.request().delete(pathOf(next)).set('Authorization', `Bearer ${service.token()}`).expect(204);
  },
  LIMIT_MS,
);

/** Adds a process that was killed a minute ago. */
function forgetProcess({ report: { tenantId, drillId } }: ShownDrill): void {
  using database = new DatabaseSync(join(service.folder, 'vaultspan.db'));
  database.exec('pragma busy_timeout = 5000');
  const columns = 'tenant_id, drill_id, process, mode, number, outcome, audit_request_id, from_at, to_at';
  const values = "?, ?, 'killed', 'warm', 0, 'allowed', 'none', ?, ?";
  const at = Date.now() - 60_000;
  database.prepare(`insert into drill_sightings (${columns}) values (${values})`).run(tenantId, drillId, at, at);
}

test(
  'a suspended tenant gets no drill, and a suspension ends one',
  async () => {
    const drill = await start('suspended');
    await untilAllTakePart(drill);
    const become = (state: string) => changeTenant(service, 'suspended', (tenant) => ({ ...tenant, state }));
    await become('suspended');
    await untilStep(drill, 'over');
    expect((await get(drill)).report.state).toBe('interrupted');
    const { status, body } = await service.post('/tenants/suspended/drills', {});
    expect([status, body.code]).toEqual([403, 'tenant-suspended']);
  },
  LIMIT_MS,
);

test('with the doorbell every process refuses long before the bound', () => {
  expect(beforeTheBell.map(({ refusedAt }) => refusedAt)).toEqual([undefined, undefined]);
  const report = ended.get('bell')?.report;
  expect(report).toMatchObject({ state: 'finished', verdict: 'held', boundSeconds: LONG_BOUND_SECONDS });
  expect(report?.refusedEverywhereAfterSeconds).toBeLessThan(LONG_BOUND_SECONDS / 2); // when proofs are renewed
});

test('the command says what to do next and writes the signed report', async () => {
  expect(await command.exitCode).toBe(0);
  expect(command.err()).toMatch(/warm keys: refused at .* \(role-missing\)/);
  expect(command.err()).toContain('finished: the bound was held');
  expect(command.out()).toContain('# Revocation drill of command');
  const jws = (await readdir(service.folder)).find((file) => file.endsWith('.jws')) ?? '';
  const { payload } = await verified((await readFile(join(service.folder, jws), 'utf8')).trim());
  expect(payload).toMatchObject({ tenantId: 'command', verdict: 'held' });
});

test(
  'stopped, the command cancels its drill',
  async () => {
    const run = runCli(['drill', 'command', '--config', config], { cwd: service.folder });
    await until(() => run.err().includes('takes part'), 'a process takes part', LIMIT_MS);
    run.stop();
    expect(await run.exitCode).toBe(1);
    expect(run.err()).toContain('cancelled: the drill does not show whether the bound holds');
  },
  LIMIT_MS,
);

test.each([
  ['without a tenant', []],
  ['with a time that is too short', ['command', '--max', '9']],
  ['with a time that is too long', ['command', '--max', '7201']],
])('the command refuses to start %s', async (_case, args) => {
  expect(await runCli(['drill', ...args], { cwd: service.folder }).exitCode).toBe(2);
});

describe('a request is refused', () => {
  const UNKNOWN = '/tenants/contoso/drills/0b5c2f7e-6a51-4a1e-9d0c-3f2b7a9c1d44';
  const asking = async (method: 'get' | 'delete', path: string, role: string) => {
    const token = await service.emulator.issueCallerToken({ roles: [role] });
    const { status, body } = await service.request()[method](path).set('Authorization', `Bearer ${token}`);
    return [status, body.code];
  };

  test('without the role, and for a drill that does not exist', async () => {
    expect(await asking('get', UNKNOWN, 'Tenants.Read')).toEqual([404, 'drill-not-found']);
    expect(await asking('get', UNKNOWN, 'Data.Decrypt')).toEqual([403, 'grant-missing']);
    expect(await asking('delete', UNKNOWN, 'Tenants.Read')).toEqual([403, 'grant-missing']);
    expect(await asking('get', UNKNOWN.replace('contoso', 'nobody'), 'Tenants.Read')).toEqual([
      404,
      'tenant-not-found',
    ]);
    const reader = await service.emulator.issueCallerToken({ roles: ['Tenants.Read'] });
    expect((await service.post('/tenants/contoso/drills', {}, reader)).status).toBe(403);
  });

  test.each([{ maxSeconds: 9 }, { maxSeconds: 7_201 }, { other: 1 }])('with %o', async (body) => {
    const { status, body: problem } = await service.post('/tenants/contoso/drills', body);
    expect([status, problem.code]).toEqual([400, 'malformed-request']);
  });
});
