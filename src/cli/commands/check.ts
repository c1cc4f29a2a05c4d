import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from '../../config/load-config.ts';
import { type CheckTenantDeps, checkTenant } from '../../operations/doctor/check-tenant.ts';
import type { CheckStep, TenantCheck } from '../../operations/doctor/tenant-check.ts';
import type { Tenant } from '../../tenants/record.ts';
import { readArguments } from '../support/arguments.ts';
import type { Command, CommandIo } from '../support/command.ts';
import { openKeyringToTry } from '../support/open-keyring.ts';
import { allTenants, openDoctor, openTools, type Tools } from '../support/open-tools.ts';

const RETRY_MS = 5_000;

export const check: Command = {
  name: 'check',
  summary: 'Find out why a tenant does not work, and who must fix it',
  help: `
Usage: vaultspan check TENANT | --all [--wait 10m] [--json] [--config FILE]

Tests a tenant as the service uses it, with a new sign-in: discovery, sign-in, and for each key its vault, read, wrap and unwrap, and
for a compact key one message, which is encrypted and decrypted. It makes no branch key.
Each step passes, fails, or is skipped because of another, and is printed when it ends. A failed step shows who must fix it, and the command.

  --all        every tenant
  --wait TIME  retry every 5 s until all steps pass, for at most TIME (30s, 10m, 1h): a new role takes up to 10 minutes to spread.
               A step is printed again only if it ends otherwise
  --json       one JSON object for each check, when it has ended

Exit codes: 0 all passed, 1 a step failed, 2 wrong usage.`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, {
      all: { type: 'boolean', default: false },
      wait: { type: 'string' },
      json: { type: 'boolean', default: false },
      config: { type: 'string' },
    });
    const [tenantId, ...more] = positionals;
    if (values.all === (tenantId !== undefined) || more.length > 0) throw new ConfigError('Give one tenant, or --all');
    const waitMs = values.wait === undefined ? 0 : durationOf(values.wait);
    await using tools = await openTools(values.config, io);
    // Without copies no key may be compact, and there is nothing to try.
    await using keyring = tools.obstacles.compact === undefined ? await openKeyringToTry(tools) : undefined;
    const deps = { ...(await openDoctor(tools)), dataKeys: keyring?.dataKeys };
    const ids = tenantId === undefined ? allIds(tools) : [tenantId];
    const failing: string[] = [];
    for await (const id of ids) {
      const onStep = values.json ? () => undefined : stepPrinter(id, io);
      const found = await checkUntil(deps, tools, { id, waitMs, onStep }, io);
      const { state } = await tools.tenants.get(id);
      io.stdout(values.json ? `${JSON.stringify({ ...found, tenantState: state })}\n` : describe(found, state));
      if (found.state === 'failed') failing.push(id);
    }
    if (values.all && failing.length > 0) io.stderr(`Failing: ${failing.join(', ')}\n`);
    return failing.length === 0 ? 0 : 1;
  },
};

interface Round {
  readonly id: string;
  readonly waitMs: number;
  readonly onStep: (step: CheckStep) => void;
}

async function checkUntil(
  deps: CheckTenantDeps,
  tools: Tools,
  { id, waitMs, onStep }: Round,
  io: CommandIo,
): Promise<TenantCheck> {
  const until = deps.clock.monotonicMs() + waitMs;
  for (;;) {
    let ended = 0;
    const progress = () => io.progress(`checking ${id}: ${ended === 1 ? '1 step' : `${ended} steps`} done`);
    progress();
    const found = await checkTenant(deps, tools.call(), id, {
      onStep: (step) => {
        ended += 1;
        onStep(step);
        progress();
      },
    });
    const isOver = found.state === 'passed' || deps.clock.monotonicMs() + RETRY_MS > until || io.signal.aborted;
    if (isOver) return found;
    const first = found.steps.find(({ state }) => state === 'failed');
    io.progress(`waiting for the next check of ${id}`);
    io.stderr(`${id}: ${first?.name ?? ''} does not pass yet (${first?.reason ?? first?.code ?? ''}), retrying\n`);
    await sleep(RETRY_MS, undefined, { signal: io.signal }).catch(() => undefined); // asked to stop: one last round, then exit
  }
}

async function* allIds(tools: Tools): AsyncGenerator<string> {
  for await (const { id } of allTenants(tools)) yield id;
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

function durationOf(text: string): number {
  const [, count, unit = ''] = /^([0-9]{1,4})([smh])$/.exec(text) ?? [];
  const unitMs = UNITS[unit];
  if (unitMs !== undefined) return Number(count) * unitMs;
  throw new ConfigError(`--wait must be a duration such as 30s, 10m or 1h, not ${text}`);
}

const MARKS = { passed: '✓', failed: '✗', skipped: '–' } as const;

/** Returns a function that prints each step of a tenant's checks, unless it ended so before. */
function stepPrinter(id: string, { stdout }: Pick<CommandIo, 'stdout'>): (step: CheckStep) => void {
  const printed = new Map<string, string>();
  return (step) => {
    const { durationMs: _durationMs, ...outcome } = step;
    const ended = JSON.stringify(outcome);
    if (printed.get(step.name) === ended) return;
    if (printed.size === 0) stdout(`${id}\n`);
    printed.set(step.name, ended);
    stdout(`${describeStep(step).join('\n')}\n`);
  };
}

function describe({ tenantId, state }: TenantCheck, tenantState: Tenant['state']): string {
  const suspension = tenantState === 'suspended' ? '; suspended, so every request is refused until it is resumed' : '';
  return `${tenantId}: ${state}${suspension}\n`;
}

function describeStep({
  name,
  state,
  durationMs,
  detail,
  code,
  reason,
  fix,
  because,
  warnings = [],
}: CheckStep): string[] {
  const notes = [
    durationMs === undefined ? [] : `${durationMs} ms`,
    because === undefined ? [] : `because of ${because}`,
  ];
  const lines = [`  ${MARKS[state]} ${name} (${notes.flat().join(', ')})`];
  if (state === 'failed')
    lines.push(`      ${[code, reason].filter((part) => part !== undefined).join(', ')}: ${detail ?? ''}`);
  if (fix) lines.push(`      ${fix.owner}: ${fix.action}`);
  if (fix?.command !== undefined) lines.push(`      ${fix.command}`);
  return [...lines, ...warnings.map((warning) => `      warning: ${warning}`)];
}
