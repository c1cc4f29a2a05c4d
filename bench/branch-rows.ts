import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { sql } from 'kysely';
import { migrate } from '../src/database/migrations/migrations.ts';
import { type DatabaseOptions, openDatabase, type SqlDatabase } from '../src/database/open-database.ts';
import { keyringChanges, keyringKeys } from '../src/database/tables/keyring-keys.ts';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { emptyDatabase } from '../test/support/empty-database.ts';
import { median } from '../test/support/statistics.ts';

/** Work on one tenant's branch keys of a year, beside few and beside many rows of other tenants. */
const RUNS = Number(process.env['BENCH_RUNS'] ?? 9);
const MANY = Number(process.env['BENCH_ROWS'] ?? 1_000_000);
const DAYS = 366;
const KEY = 'https://kv.vault.azure.net/keys/data';
const KID = `${KEY}/0f1e2d3c4b5a69788796a5b4c3d2e1f0`;
const JWE = 'j'.repeat(1_100);
const folder = await mkdtemp(join(tmpdir(), 'bench-rows-'));

/** Adds rows of tenants `t0`, `t1` and so on, a year each. */
async function fill(database: SqlDatabase, rows: number, isPostgres: boolean): Promise<void> {
  const numbers = isPostgres
    ? sql`select generate_series(0, ${sql.lit(rows - 1)}) as n`
    : sql`with recursive c(n) as (select 0 union all select n + 1 from c where n < ${sql.lit(rows - 1)}) select n from c`;
  const columns = sql`tenant_id, id, kind, vault_key, label, jwe, kid, made_under, created_at, change_sequence`;
  const of = sql`'t' || (n / ${sql.lit(DAYS)}), 'id' || n, 'branch', ${sql.lit(KEY)}, 'day ' || (n % ${sql.lit(DAYS)})`;
  const rest = sql`${sql.lit(JWE)}, ${sql.lit(KID)}, ${sql.lit(KID)}, 0, n`;
  await database.write(async (trx) => {
    await sql`insert into keyring_keys (${columns}) select ${of}, ${rest} from (${numbers}) as numbers`.execute(trx);
    await sql`update keyring_changes set sequence = ${sql.lit(rows)}`.execute(trx);
  });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Returns the milliseconds of each kind of work. */
async function measure(options: DatabaseOptions): Promise<Readonly<Record<string, number>>> {
  let database = await openDatabase(options);
  const start = await timed(async () => {
    await database.close();
    database = await openDatabase(options);
    const since = await database.read((db) => keyringChanges.lastSequence(db));
    await database.read((db) => keyringChanges.changesAfter(db, since));
  });
  const store = keyringKeys({ database });
  const { keys } = await store.page(DAYS, undefined, 't1');
  const result = {
    start,
    'look-up of one id': await timed(() => store.find('t1', ['id400'])),
    'rows of three epochs': await timed(() => store.labelled('t1', 'branch', KEY, ['day 1', 'day 2', 'day 3'])),
    'counts by key version': await timed(() => store.needs('t1')),
    'rotation of a year': await timed(async () => {
      for (const { tenantId, id, jwe = '' } of keys) {
        const moved = {
          vaultKey: KEY,
          jwe: `${jwe.slice(0, -12)}${String(Math.random()).slice(2, 14).padEnd(12, '0')}`,
          kid: KID,
        };
        await store.replace({ tenantId, id }, jwe, { ...moved, isCopied: false });
      }
    }),
  };
  await database.close();
  return result;
}

interface Case {
  readonly name: string;
  readonly rows: number;
  readonly options: DatabaseOptions;
  readonly runs: Readonly<Record<string, number>>[];
}
const cases: Case[] = [];
for (const name of ['SQLite', 'PostgreSQL']) {
  for (const rows of [2 * DAYS, MANY]) {
    const options = name === 'SQLite' ? { file: join(folder, `${rows}.db`) } : { url: await emptyDatabase() };
    await migrate(options);
    const database = await openDatabase({ ...options, statementTimeoutMs: 600_000 } as DatabaseOptions);
    await fill(database, rows, name === 'PostgreSQL');
    await database.close();
    cases.push({ name, rows, options, runs: [] });
  }
}
for (let run = 0; run < RUNS; run += 1) for (const { options, runs } of cases) runs.push(await measure(options));
const results = cases.flatMap(({ name, rows, runs }) =>
  Object.keys(runs[0] ?? {}).map((work) => ({
    database: name,
    work,
    rows,
    milliseconds: median(runs.map((one) => one[work] ?? Number.NaN)),
  })),
);
const shown = results
  .filter(({ rows }) => rows === MANY)
  .map(({ database, work, milliseconds }) => {
    const few = results.find((one) => one.database === database && one.work === work)?.milliseconds ?? Number.NaN;
    return [database, work, few.toFixed(2), milliseconds.toFixed(2), (milliseconds / few).toFixed(2)];
  });
printTable(
  `Branch keys of one tenant beside ${MANY} rows (${describeMachine()}), ms, median of ${RUNS}`,
  ['database', 'work', `${2 * DAYS} rows`, `${MANY} rows`, 'ratio'],
  shown,
);
await writeResults('branch-rows', results);
await rm(folder, { recursive: true, force: true });
