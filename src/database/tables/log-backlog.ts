import { sql } from 'kysely';
import type { SqlDatabase } from '../open-database.ts';

/**
 * Returns the number of records that are in no log yet, and for how long the oldest checkpoint is
 * overdue.
 */
export async function logBacklog({ read }: SqlDatabase, nowMs: number) {
  const { rows } = await read((db) =>
    sql<{ records: number | string; due_at: number | null }>`select
      (select coalesce(sum(stored - sequenced), 0) from audit_chains where stored > sequenced) as records,
      (select min(due_at) from log_heads where due_at is not null) as due_at`.execute(db),
  );
  const { records = 0, due_at: dueAt = null } = rows[0] ?? {};
  return { records: Number(records), overdueSeconds: dueAt === null ? 0 : Math.max(0, (nowMs - dueAt) / 1_000) };
}
