import { randomUUID } from 'node:crypto';
import process from 'node:process';
import type { AuditRow } from '../src/audit/audit-table.ts';
import { ChainWriter } from '../src/audit/chain/chain-writer.ts';
import { grow } from '../src/audit/receipts/tree.ts';
import { migrate } from '../src/database/migrations/migrations.ts';
import { openDatabase } from '../src/database/open-database.ts';
import { auditTable } from '../src/database/tables/audit-table.ts';
import { checkpointTable } from '../src/database/tables/log-checkpoints.ts';
import { describeMachine, printTable, writeResults } from '../test/support/bench-report.ts';
import { emptyDatabase } from '../test/support/empty-database.ts';
import { logProcess, MemoryKey } from '../test/support/receipts.ts';

/**
 * Cost of transparency logs with very many tenants, each with a record a minute: what the sequencer
 * takes for a record, how many it can take a second, and what a checkpoint takes beside the vault's
 * signature.
 */
const TENANTS = Number(process.env['BENCH_TENANTS'] ?? 100_000);
/** Between two checkpoints of a log, by default. */
const MINUTES = 5;
const PROCESSES = 4;
const ROWS_AT_ONCE = 1_000;
const KEY_ID = 'https://contoso-kv.vault.azure.net/keys/data/0f1e2d3c4b5a69788796a5b4c3d2e1f0';
const PRINCIPAL = 'https://login.microsoftonline.com/8c0f3ad2-6a54-4a0e-9b6e-1d6f1f2f7c11/v2.0#billing';

const url = await emptyDatabase();
await migrate({ url });
const database = await openDatabase({ url, maxConnections: 2, statementTimeoutMs: 60_000 });
const table = auditTable(database);

interface Chain {
  readonly writer: ChainWriter;
  next: number;
}

const chains: readonly Chain[] = Array.from({ length: PROCESSES }, () => ({
  writer: new ChainWriter(randomUUID()),
  next: 0,
}));
for (const chain of chains) {
  const at = Date.now();
  await table.add([rowOf(chain, at, undefined, chain.writer.open(at, undefined))]);
}

/** Stores a record of every tenant, as the processes ship them. */
async function storeMinute(): Promise<void> {
  for (let first = 0; first < TENANTS; first += ROWS_AT_ONCE) {
    const chain = chains[(first / ROWS_AT_ONCE) % PROCESSES];
    if (!chain) continue;
    const rows: AuditRow[] = [];
    for (let tenant = first; tenant < Math.min(first + ROWS_AT_ONCE, TENANTS); tenant += 1) {
      const [at, tenantId] = [Date.now(), `tenant-${tenant}`];
      rows.push(rowOf(chain, at, tenantId, chain.writer.event(at, eventOf(tenantId))));
    }
    chain.writer.keep(rows.length);
    await table.add(rows);
  }
}

function rowOf(chain: Chain, at: number, tenantId: string | undefined, line: string): AuditRow {
  chain.next += 1;
  const sequence = chain.next - 1;
  return { at, chain: chain.writer.chain, sequence, tenantId, removes: undefined, line: line.trimEnd() };
}

const eventOf = (tenantId: string) =>
  ({
    operation: 'encrypt',
    outcome: 'succeeded',
    requestId: randomUUID(),
    principal: PRINCIPAL,
    tenantId,
    keyId: KEY_ID,
    bytes: 1_024,
    vaultRequestId: randomUUID(),
  }) as const;

/** Returns CPU and time of one unit of work, in µs. */
async function measured(work: () => Promise<void>, units: number) {
  const [cpu, start] = [process.cpuUsage(), performance.now()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { cpu: (user + system) / units, time: ((performance.now() - start) * 1_000) / units };
}

const parts = logProcess({ database, key: new MemoryKey(), checkpointer: { signaturesPerSecond: 100_000 } });
const results: { work: string; units: number; cpu: number; time: number }[] = [];
for (let minute = 0; minute < MINUTES; minute += 1) {
  await storeMinute();
  const { cpu, time } = await measured(() => parts.sequencer.run(), TENANTS);
  results.push({ work: `record of minute ${minute + 1}`, units: TENANTS, cpu, time });
}
const checkpoints = checkpointTable(database);
const growth = async () => {
  const due = { before: Date.now(), limit: TENANTS };
  while (await checkpoints.grow(due, grow));
};
results.push({
  work: 'growth of the trees, for a record',
  units: TENANTS,
  ...(await measured(growth, MINUTES * TENANTS)),
});
const signed = await measured(() => parts.checkpointer.run(), TENANTS);
results.push({ work: 'checkpoint, signed here instead of in the vault', units: TENANTS, ...signed });
if (parts.failures.length > 0) throw new Error('the bench failed', { cause: parts.failures[0] });
if (parts.sequencer.counts().entries !== MINUTES * TENANTS || parts.checkpointer.signed() !== TENANTS)
  throw new Error('not every record was sequenced, or not every log signed');
await parts.close();
await database.close();
printTable(
  `Receipts: ${TENANTS} tenants with a record a minute each (${describeMachine()})`,
  ['work', 'CPU of this process, µs', 'time, µs', 'a second', 'cores at a record a minute each'],
  results.map(({ work, units, cpu, time }) => [
    work,
    cpu.toFixed(1),
    time.toFixed(1),
    (1e6 / time).toFixed(0),
    ((units / 60) * (cpu / 1e6)).toFixed(3),
  ]),
);
await writeResults('receipts', results);
