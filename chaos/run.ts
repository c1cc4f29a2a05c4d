import process from 'node:process';
import { neighboursUnharmed } from './neighbour-verdict.ts';
import { writeReport } from './report.ts';
import type { Scenario } from './scenario.ts';
import { DATABASE } from './scenarios/database.ts';
import { IDENTITY } from './scenarios/identity.ts';
import { MACHINE } from './scenarios/machine.ts';
import { VAULTS } from './scenarios/vaults.ts';
import { openChaosSite } from './site.ts';
import { TENANTS } from './tenants.ts';
import { type Trial, tryOut } from './trial.ts';

/**
 * npm run chaos [-- NAME...]: one fault after the other under load, and its effects on callers.
 * Names choose scenarios by a part of their name; the report is written when all have run. Exits
 * with 1 on any forbidden effect.
 */
const asked = process.argv.slice(2);
const scenarios: readonly Scenario[] = [...VAULTS, ...IDENTITY, ...DATABASE, ...MACHINE].filter(
  ({ name }) => asked.length === 0 || asked.some((part) => name.includes(part)),
);
const say = (line: string) => process.stdout.write(`${line}\n`);

const site = await openChaosSite(TENANTS);
const trials: Trial[] = [];
const skipped: { readonly scenario: Scenario; readonly obstacle: string }[] = [];
const startedAt = performance.now();
for (const [number, scenario] of scenarios.entries()) {
  const obstacle = await scenario.obstacle?.();
  if (obstacle !== undefined) {
    skipped.push({ scenario, obstacle });
    say(`SKIPPED ${scenario.name}: ${obstacle}`);
    continue;
  }
  const trial = await tryOut(scenario, site, number);
  trials.push(trial);
  const { answers, recoverySeconds, violations } = trial;
  say(
    `${violations.length === 0 ? 'ok     ' : 'BROKEN '} ${scenario.name}: ${answers.length} answers, well again after ${recoverySeconds.toFixed(1)} s`,
  );
  for (const violation of violations) say(`        ${violation}`);
}
await site.close();
const neighbours = neighboursUnharmed(trials);
say(neighbours.text);
if (asked.length === 0) {
  await writeReport({ trials, skipped, neighbours, seconds: (performance.now() - startedAt) / 1_000 });
}
process.exitCode = trials.some(({ violations }) => violations.length > 0) || !neighbours.holds ? 1 : 0;
