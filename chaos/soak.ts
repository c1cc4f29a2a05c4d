import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { auditProblems } from './audit-check.ts';
import type { Answer } from './caller.ts';
import type { Group } from './groups.ts';
import { countByCode, failuresOf, Load } from './load.ts';
import { register } from './register.ts';
import { openChaosSite, type TenantPlan } from './site.ts';
import { Changes } from './soak-changes.ts';
import { writeSoakReport } from './soak-report.ts';
import { trendsOf, type Window, windowOf } from './soak-windows.ts';

/**
 * npm run soak [-- MINUTES]: steady mixed load, ten minutes by default, while keys and secrets
 * rotate, records change, and one customer revokes and restores its access. Exits with 1 when a
 * request failed that should not, or a resource grew.
 */
const MINUTES = Number(process.argv[2] ?? 10);
if (!(MINUTES >= 5 && MINUTES <= 1_440)) throw new RangeError('npm run soak [-- MINUTES], 5 to 1440');
const WINDOW_MS = 10_000;
const BOUND_SECONDS = 20;
const KEY_ROTATION_SECONDS = 30;
const SECRET_ROTATION_SECONDS = 60;
const RECORD_CHANGE_SECONDS = 45;
/** The leaver is without its role for this time, and then has it for this time. */
const LEAVE_SECONDS = 40;
const WRAP_ROLE = 'Key Vault Crypto Service Encryption User';

const LEAVER = 'leaver';
const STAYERS = ['first', 'second', 'third', 'cold'];
const TENANTS: readonly TenantPlan[] = [...STAYERS, LEAVER].map((id) => ({
  id,
  customer: id,
  key: 'data',
  ...(id === 'cold' && { dataKeys: { mode: 'perMessage' } as const }),
}));
const MIX = ['message', 'message', 'batch', 'message', 'data key', 'message', 'rewrap', 'message', 'stream'] as const;
const GROUPS: readonly Group[] = TENANTS.map(({ id }) => ({
  name: id,
  tenant: id,
  callers: 5,
  pauseMs: id === 'cold' ? 200 : 60,
  mix: id === 'cold' ? (['message'] as const) : MIX,
}));

const site = await openChaosSite(TENANTS);
const directory = join(site.folder, 'audit');
await mkdir(directory);
const startService = () =>
  site.startService({
    registry: {},
    database: { file: join(site.folder, 'soak.db') },
    rounds: { enabled: true, intervalSeconds: 60 },
    audit: { directory },
    revocation: { boundSeconds: BOUND_SECONDS },
    telemetry: { logLevel: 'silent' },
  });
await register(startService, site);
const service = await startService();
const load = new Load(site.token, () => service.url);
const changes = new Changes(site, service.url);
let turn = 0;
const nextTenant = (): string => STAYERS[turn++ % STAYERS.length] ?? '';
changes.every(KEY_ROTATION_SECONDS, 'key rotations', async () => {
  await site.order('rotateKey', { vault: nextTenant(), key: 'data' });
});
changes.every(SECRET_ROTATION_SECONDS, 'secret rotations', () => changes.rotateSecret());
changes.every(RECORD_CHANGE_SECONDS, "changes of a tenant's record", () => changes.rename(nextTenant()));
changes.every(2 * LEAVE_SECONDS, 'revocations, each taken back', async () => {
  await site.order('removeRole', { vault: LEAVER });
  await sleep(LEAVE_SECONDS * 1_000);
  await site.order('grantRole', { vault: LEAVER, role: WRAP_ROLE });
});
for (const group of GROUPS) load.add(group);

const startedAt = performance.now();
const windows: Window[] = [];
let cpuBefore = (await service.ask({ ask: 'vitals' })).cpuMicroseconds;
for (let from = startedAt; from < startedAt + MINUTES * 60_000; ) {
  await sleep(WINDOW_MS);
  const now = performance.now();
  const vitals = await service.ask({ ask: 'vitals' });
  const answers = load.between(from, now).filter(({ group }) => group !== LEAVER);
  const window = windowOf(answers, vitals, (now - startedAt) / 60_000, vitals.cpuMicroseconds - cpuBefore);
  cpuBefore = vitals.cpuMicroseconds;
  windows.push(window);
  from = now;
  const { minute, requests, p50, p99, residentMiB, heapMiB, handles } = window;
  process.stdout.write(
    `${minute.toFixed(1)} min: ${requests} requests, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, resident ${residentMiB.toFixed(0)} MiB, heap ${heapMiB.toFixed(0)} MiB, ${handles} handles, failed ${JSON.stringify(countByCode(failuresOf(load.answers)))}\n`,
  );
}
await changes.stop();
await sleep(BOUND_SECONDS * 1_000); // the leaver returns
await load.stop();
await service.stop();

const strange = load.answers.filter(isStrange);
const hasBeenRevoked = load.answers.some(({ code }) => code === 'access-revoked');
const trends = trendsOf(windows);
const problems = [
  ...(strange.length > 0
    ? [`failed: ${JSON.stringify(countByCode(strange))}, the first ${JSON.stringify(strange[0])}`]
    : []),
  ...(changes.counts['revocations, each taken back'] && !hasBeenRevoked ? ['the revocation was not noticed'] : []),
  ...trends
    .filter(({ holds }) => !holds)
    .map(({ name, first, last }) => `${name}: ${first.toFixed(1)} → ${last.toFixed(1)}`),
  ...(await auditProblems(load.answers, directory, undefined)),
];
await site.close();
await writeSoakReport({ minutes: MINUTES, answers: load.answers, changes: changes.counts, windows, trends, problems });
for (const problem of problems) process.stdout.write(`BROKEN ${problem}\n`);
process.stdout.write(`${load.answers.length} answers, ${problems.length === 0 ? 'all held' : 'broken'}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;

/**
 * Returns whether a failure is unexpected: only the leaver may fail, and only because of its
 * revocation.
 */
function isStrange({ group, code }: Answer): boolean {
  return code !== 'ok' && !(group === LEAVER && code === 'access-revoked');
}
