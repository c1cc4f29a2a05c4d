import { ConfigError } from '../../config/load-config.ts';
import { encodeCsv } from '../../http/answers/encode-csv.ts';
import { systemClock } from '../../lib/clock.ts';
import { type ReadUsageInput, readUsage } from '../../operations/audit/read-usage.ts';
import { noArguments, readArguments } from '../support/arguments.ts';
import type { Command } from '../support/command.ts';
import { openTools, type Tools } from '../support/open-tools.ts';

export const usage: Command = {
  name: 'usage',
  summary: 'Print what tenants used, for billing and capacity',
  help: `
Usage: vaultspan usage [--by tenant|day|hour] [--tenant TENANT] [--from TIME] [--to TIME] [--csv | --json] [--config FILE]

Prints the sums of the audit records in the database: operations, failures, bytes, vault calls, leases, and messages that
holders of leases encrypted and decrypted locally. The default is one line for each tenant that used anything this month.

  --by day|hour    a line for each day or hour of one tenant, which --tenant names
  --from, --to     full hours (RFC 3339, such as 2026-11-01T00:00:00Z); --to is exclusive. Hours are kept for the last 8
                   days, and days for 400: earlier times must be midnight in UTC
  --csv, --json    as CSV, or each row as a line of JSON

The audit log records the call with the principal cli: and your user name.`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, {
      by: { type: 'string', default: 'tenant' },
      tenant: { type: 'string' },
      from: { type: 'string' },
      to: { type: 'string' },
      csv: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      config: { type: 'string' },
    });
    noArguments(positionals);
    const input = {
      sort: 'id' as const,
      by: periodOf(values.by),
      tenantId: values.tenant,
      from: timeOf('--from', values.from),
      to: timeOf('--to', values.to),
    };
    if (values.csv && values.json) throw new ConfigError('Give --csv or --json');
    if (input.by !== 'tenant' && input.tenantId === undefined) throw new ConfigError(`--by ${input.by} needs --tenant`);
    await using tools = await openTools(values.config, io);
    let isFirst = true;
    for await (const rows of pagesOf(tools, input)) {
      if (values.json) io.stdout(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      else io.stdout(values.csv ? csvOf(rows, isFirst) : tableOf(rows, isFirst));
      isFirst = false;
    }
    return 0;
  },
};

type Row = Awaited<ReturnType<typeof readUsage>>['usage'][number];

const PAGE = 1_000;
const COLUMNS = [
  'tenantId',
  'start',
  'operations',
  'failures',
  'bytes',
  'vaultCalls',
  'leases',
  'leasedMessages',
] as const satisfies readonly (keyof Row)[];

async function* pagesOf(tools: Tools, input: Omit<ReadUsageInput, 'limit' | 'cursor'>): AsyncGenerator<readonly Row[]> {
  let cursor: string | undefined;
  do {
    const deps = { ...tools, clock: systemClock };
    const page = await readUsage(deps, tools.call(), { ...input, limit: PAGE, cursor });
    yield page.usage;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}

function csvOf(rows: readonly Row[], isFirst: boolean): string {
  const text = encodeCsv(COLUMNS, rows);
  return isFirst ? text : text.slice(text.indexOf('\n') + 1);
}

/** Returns lines of columns; ids may be long, so they come last. */
function tableOf(rows: readonly Row[], isFirst: boolean): string {
  const [, , ...numbers] = COLUMNS;
  const lineOf = (cells: readonly string[], name: string) =>
    `${cells.map((cell) => cell.padStart(WIDTH)).join(' ')}  ${name}\n`;
  const heading = isFirst ? lineOf(numbers, 'of') : '';
  return (
    heading +
    rows
      .map((row) =>
        lineOf(
          numbers.map((name) => String(row[name])),
          row.start ?? row.tenantId,
        ),
      )
      .join('')
  );
}

const WIDTH = 14;

function periodOf(text: string): ReadUsageInput['by'] {
  if (text === 'tenant' || text === 'day' || text === 'hour') return text;
  throw new ConfigError(`--by takes tenant, day or hour, not ${text}`);
}

function timeOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new ConfigError(`${option} takes a time such as 2026-11-01T00:00:00Z, not ${text}`);
  return time;
}
