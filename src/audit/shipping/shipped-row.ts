import type { AuditRow } from '../audit-table.ts';

/** The row of a line; undefined where it is no record of this chain. The line itself is what counts: its members are for looking it up. */
export function rowOf(line: string, chain: string): AuditRow | undefined {
  const record = parsed(line);
  const { sequence, at, tenantId, removed } = record;
  const time = typeof at === 'string' ? Date.parse(at) : Number.NaN;
  if (record['chain'] !== chain || !Number.isSafeInteger(sequence) || Number.isNaN(time)) return;
  if (line.includes('\0') || !line.isWellFormed()) return;
  const removes = (removed as { readonly chain?: unknown } | undefined)?.chain;
  return {
    at: time,
    chain,
    sequence: sequence as number,
    tenantId: storable(tenantId),
    removes: storable(removes),
    line,
  };
}

/** PostgreSQL has no U+0000 and no half of a surrogate pair; nor has an id. */
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
