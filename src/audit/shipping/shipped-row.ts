import type { AuditRow } from '../audit-table.ts';
import { usageOf } from '../usage.ts';

/**
 * The table names its days by years of four digits. A clock beyond them is wrong, but its records
 * are valid.
 */
const LAST_MS = Date.UTC(9999, 11, 31);

/**
 * Returns the row of a line; undefined when it is no record of this chain. The columns only serve
 * to find the line again.
 */
export function rowOf(line: string, chain: string): AuditRow | undefined {
  const record = parsed(line);
  const { sequence, at, tenantId, removed } = record;
  const time = typeof at === 'string' ? Date.parse(at) : Number.NaN;
  if (record['chain'] !== chain || !Number.isSafeInteger(sequence) || Number.isNaN(time)) return;
  if (line.includes('\0') || !line.isWellFormed()) return;
  const removes = (removed as { readonly chain?: unknown } | undefined)?.chain;
  return {
    at: Math.min(Math.max(time, 0), LAST_MS),
    chain,
    sequence: sequence as number,
    tenantId: storable(tenantId),
    removes: storable(removes),
    line,
    usage: usageOf(record),
  };
}

/**
 * Returns text that PostgreSQL can store: without U+0000 and halves of surrogate pairs, which no id
 * has.
 */
const storable = (text: unknown): string | undefined =>
  typeof text === 'string' && !text.includes('\0') && text.isWellFormed() ? text : undefined;

function parsed(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}
