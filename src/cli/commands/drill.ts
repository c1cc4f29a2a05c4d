import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { reportSigner } from '../../compose/receipts.ts';
import { ConfigError } from '../../config/load-config.ts';
import type { DrillStep, DrillTrack, DrillVerdict } from '../../operations/drills/drill-report.ts';
import {
  cancelDrill,
  type DrillDeps,
  type DrillInput,
  readDrill,
  type ShownDrill,
  startDrill,
} from '../../operations/drills/drills.ts';
import { readArguments } from '../support/arguments.ts';
import type { Command, CommandIo } from '../support/command.ts';
import { openTools } from '../support/open-tools.ts';

const POLL_MS = 1_000;
const SHORTEST_SECONDS = 10;
const LONGEST_SECONDS = 7_200;

export const drill: Command = {
  name: 'drill',
  summary: "Rehearse a customer's revocation and report how fast every process obeyed",
  help: `
Usage: vaultspan drill TENANT [--max SECONDS] [--to DIRECTORY] [--json] [--config FILE]

Every running process decrypts a sample each second, with its keys in memory and with a new sign-in, while the customer revokes
access in a way of its choice and restores it. Progress and the next step are printed as lines; the report follows, as Markdown.
The drill ends when every process was refused and has access again. Ctrl-C cancels it.

  --max SECONDS   end after this time, ${SHORTEST_SECONDS} to ${LONGEST_SECONDS}; default 3600
  --to DIRECTORY  also write drill-ID.json, drill-ID.md and, with receipts, drill-ID.jws: the signed report
  --json          print the report as JSON

Exit codes: 0 the bound was held, 1 it was not, or the drill does not show it, 2 wrong usage.`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, {
      max: { type: 'string', default: '3600' },
      to: { type: 'string' },
      json: { type: 'boolean', default: false },
      config: { type: 'string' },
    });
    const [tenantId, ...more] = positionals;
    if (tenantId === undefined || more.length > 0) throw new ConfigError('Give one tenant');
    const maxSeconds = secondsOf(values.max);
    await using tools = await openTools(values.config, io);
    const { config, home } = tools;
    const deps = { ...tools, revocation: config.revocation, signReport: reportSigner({ config, home }) };
    const { report: started } = await startDrill(deps, tools.call(), { tenantId, maxSeconds });
    const input = { tenantId, drillId: started.drillId };
    io.stderr(`drill ${started.drillId} of ${tenantId}; the bound is ${started.boundSeconds} s\n`);
    const cancel = () => cancelDrill(deps, tools.call(), input);
    io.progress('the drill runs');
    const ended = await follow(deps, input, cancel, io);
    if (values.to !== undefined) await writeReport(resolve(io.cwd, values.to), ended);
    io.stdout(values.json ? `${JSON.stringify(ended.report, undefined, 2)}\n` : (ended.markdown ?? ''));
    return ended.report.verdict === 'held' ? 0 : 1;
  },
};

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (/^[0-9]{2,4}$/.test(text) && seconds >= SHORTEST_SECONDS && seconds <= LONGEST_SECONDS) return seconds;
  throw new ConfigError(`--max is a number of seconds between ${SHORTEST_SECONDS} and ${LONGEST_SECONDS}, not ${text}`);
}

/** Prints the progress until the drill ends. Returns the result. */
async function follow(
  deps: DrillDeps,
  input: DrillInput,
  cancel: () => Promise<void>,
  io: CommandIo,
): Promise<ShownDrill> {
  const told = new Set<string>();
  for (;;) {
    const found = await readDrill(deps, input);
    for (const line of linesOf(found)) {
      if (!told.has(line)) io.stderr(`${line}\n`);
      told.add(line);
    }
    if (found.step === 'over') return found;
    if (io.signal.aborted) await cancel();
    else await sleep(POLL_MS, undefined, { signal: io.signal }).catch(() => undefined);
  }
}

const NEXT: Readonly<Record<DrillStep, string | undefined>> = {
  starting: 'waiting for the processes',
  revoke: 'every process decrypts. Now revoke access, and ring the doorbell if you have one',
  'wait-for-refusals': 'a process was refused; waiting for the others, at most for the bound',
  restore: 'every process is refused. Now restore access',
  'wait-for-access': 'access is back; waiting for every process',
  over: undefined,
};
const VERDICTS: Readonly<Record<DrillVerdict, string>> = {
  held: 'the bound was held',
  'not-held': 'the bound was NOT held',
  'not-shown': 'the drill does not show whether the bound holds',
};

function linesOf({ step, report }: ShownDrill): readonly string[] {
  const next = NEXT[step];
  const lines = report.tracks.flatMap(trackLines);
  if (next !== undefined) lines.push(next);
  if (step === 'over') lines.push(`${report.state}: ${VERDICTS[report.verdict]}`);
  return lines;
}

function trackLines({ process, mode, refusedAt, refusedAfterSeconds, backAt, attempts }: DrillTrack): string[] {
  const name = `process ${process.slice(0, 8)}, ${mode} keys`;
  const [first] = attempts;
  const lines = [`${name}: takes part, ${first?.outcome ?? ''}`];
  const refusal = attempts.find(({ outcome }) => outcome === 'refused');
  if (refusal) {
    const after = refusedAfterSeconds?.toFixed(1);
    lines.push(`${name}: refused at ${refusedAt}, ${after} s after the first (${refusal.reason ?? refusal.code})`);
  }
  if (backAt !== undefined) lines.push(`${name}: access is back at ${backAt}`);
  return lines;
}

async function writeReport(folder: string, { report, markdown = '', jws }: ShownDrill): Promise<void> {
  const file = (type: string) => join(folder, `drill-${report.drillId}.${type}`);
  await writeFile(file('json'), `${JSON.stringify(report, undefined, 2)}\n`);
  await writeFile(file('md'), markdown);
  if (jws !== undefined) await writeFile(file('jws'), `${jws}\n`);
}
