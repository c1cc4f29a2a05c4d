import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '../test/support/free-ports.ts';
import { auditProblems } from './audit-check.ts';
import type { Answer } from './caller.ts';
import { durableDatabase } from './durable-database.ts';
import { failuresOf, Load } from './load.ts';
import { register } from './register.ts';
import type { Scenario } from './scenario.ts';
import type { ChaosSite, ServiceProcess } from './site.ts';
import { GROUPS } from './tenants.ts';
import { type Phases, verdictOf } from './verdict.ts';

/** The result of one scenario. */
export interface Trial {
  readonly scenario: Scenario;
  readonly answers: readonly Answer[];
  readonly phases: Phases;
  /** From the end of the fault to the answer to the last failed request. */
  readonly recoverySeconds: number;
  readonly violations: readonly string[];
}

const WARM_MS = 1_000;
const BEFORE_MS = 4_000;
const TROUBLE_SECONDS = 4.5;
const AFTER_MS = 3_000;
/** The service has recovered after this time without a failure. */
const WELL_MS = 1_000;
const RECOVERY_LIMIT_MS = 20_000;
const POLL_MS = 100;

/** Short, so that proofs of access are renewed during the fault, and long enough to survive it. */
const BOUND_SECONDS = 16;
const DEADLINE_SECONDS = 2;

/** Runs services under load, starts and ends the fault, and judges its effects on callers. */
export async function tryOut(scenario: Scenario, site: ChaosSite, number: number): Promise<Trial> {
  const directory = join(site.folder, `audit-${number}`);
  await mkdir(directory);
  const { processes = 1, hasDatabase = false, seconds = TROUBLE_SECONDS, newcomers = [] } = scenario;
  const databaseUrl = hasDatabase ? await durableDatabase() : undefined;
  const port = processes > 1 ? await freePorts(1) : 0;
  const config = {
    http: { port, reusePort: processes > 1, drainSeconds: 5 },
    audit: { directory },
    revocation: { boundSeconds: BOUND_SECONDS },
    vault: { deadlineSeconds: DEADLINE_SECONDS },
    telemetry: { logLevel: 'silent' },
    ...(databaseUrl !== undefined && { registry: {}, database: { url: databaseUrl } }),
    ...scenario.config,
  };
  const startService = () => site.startService(config);
  if (hasDatabase) await register(startService, site);
  const services: ServiceProcess[] = [];
  for (let n = 0; n < processes; n += 1) services.push(await startService());
  const load = new Load(site.token, () => services[0]?.url ?? '');
  const stage = { site, services, startService };
  for (const group of GROUPS) load.add(group);
  await sleep(WARM_MS);
  const before = performance.now();
  await sleep(BEFORE_MS);
  const begun = performance.now();
  await scenario.begin(stage);
  for (const group of newcomers) load.add(group);
  await sleep(seconds * 1_000);
  const ended = performance.now();
  await scenario.end(stage);
  const recovered = await recovery(load, ended);
  await sleep(AFTER_MS);
  await load.stop();
  const phases: Phases = { before, begun, ended, recovered, after: performance.now() };
  for (const service of services) await service.stop();
  const lastFailure = failuresOf(load.between(begun, recovered)).reduce(
    (at, answer) => Math.max(at, answer.at + answer.ms),
    0,
  );
  return {
    scenario,
    answers: load.answers,
    phases,
    recoverySeconds: Math.max(0, lastFailure - ended) / 1_000,
    violations: [
      ...verdictOf(scenario, load, phases),
      ...(recovered - ended >= RECOVERY_LIMIT_MS ? [`not well again ${RECOVERY_LIMIT_MS / 1_000} s later`] : []),
      ...(await auditProblems(load.answers, directory, databaseUrl)),
    ],
  };
}

/**
 * Resolves when no request has failed for a while, although all groups have sent some and received
 * answers.
 */
async function recovery(load: Load, since: number): Promise<number> {
  const limit = since + RECOVERY_LIMIT_MS;
  for (;;) {
    await sleep(POLL_MS);
    const now = performance.now();
    const answered = load.answers.filter(({ at, ms }) => at + ms >= now - WELL_MS);
    const groups = new Set(load.answers.map(({ group }) => group));
    const isWell =
      new Set(answered.map(({ group }) => group)).size === groups.size && failuresOf(answered).length === 0;
    if ((isWell && now >= since + WELL_MS) || now >= limit) return now;
  }
}
