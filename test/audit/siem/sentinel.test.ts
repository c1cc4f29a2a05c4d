import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { rowOf, SIEM_COLUMNS } from '../../../src/audit/siem/columns.ts';
import { ocsfEvent } from '../../../src/audit/siem/ocsf.ts';
import { siemTemplate } from '../../../src/operations/doctor/siem-step.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const FOLDER = join(ROOT, 'deploy', 'sentinel');

const queries = Object.fromEntries(
  readdirSync(FOLDER)
    .filter((name) => name.endsWith('.kql'))
    .map((name) => [name.replace('.kql', ''), readFileSync(join(FOLDER, name), 'utf8')]),
);

const schemaOf = (columns: Readonly<Record<string, string>>) =>
  `(${Object.entries(columns)
    .map(([name, type]) => `${name}: ${type}`)
    .join(', ')})`;

/** The columns of Azure's table that the emulated vault's log has too. */
const VAULT_LOG = {
  TimeGenerated: 'datetime',
  OperationName: 'string',
  ResultType: 'string',
  CorrelationId: 'string',
  CallerIpAddress: 'string',
};

/** Returns what Microsoft's parser finds, given exactly the columns that are sent. */
function problemsOf(texts: Readonly<Record<string, string>>, columns: Readonly<Record<string, string>> = SIEM_COLUMNS) {
  const tables = { Vaultspan_CL: schemaOf(columns), AZKVAuditLogs: schemaOf(VAULT_LOG) };
  const script = join(ROOT, 'test', 'support', 'check-kusto.mjs');
  return JSON.parse(
    execFileSync(process.execPath, [script], { input: JSON.stringify({ tables, queries: texts }), encoding: 'utf8' }),
  ) as readonly string[];
}

describe('the queries for Sentinel', () => {
  test('are valid Kusto over the columns that are sent', () => {
    expect(Object.keys(queries).sort()).toEqual(['coverage', 'gaps', 'refusals', 'uses']);
    expect(problemsOf(queries)).toEqual([]);
  });

  test('are found invalid when a column is missing, or the text is wrong', () => {
    const { unmapped: _unmapped, ...fewer } = SIEM_COLUMNS;
    expect(problemsOf(queries, fewer).join('\n')).toContain('unmapped');
    expect(problemsOf({ wrong: 'Vaultspan_CL | where status_id =' })).not.toEqual([]);
  });

  test('are those of the workbook', () => {
    const { items } = JSON.parse(readFileSync(join(FOLDER, 'workbook.json'), 'utf8')) as {
      readonly items: readonly { readonly name: string; readonly content: { readonly query?: string } }[];
    };
    const shown = items.filter(({ content }) => content.query !== undefined);
    expect(Object.fromEntries(shown.map(({ name, content }) => [name, content.query]))).toEqual(queries);
  });

  test('name members of events that events have', () => {
    const event = { operation: 'decrypt', outcome: 'succeeded', requestId: 'r', principal: 'p', vaultRequestId: 'v' };
    const more = { access: { reason: 'x' }, keys: [{ keyId: 'k', vaultRequestId: 'v', count: 1 }] };
    const line = JSON.stringify({
      type: 'event',
      chain: 'c',
      sequence: 1,
      at: '2026-11-26T21:00:00.000Z',
      ...event,
      ...more,
    });
    const row = rowOf(ocsfEvent(line, { tenantId: 'contoso', sequence: 1, version: '0' }));
    const paths = Object.values(queries).flatMap(
      (query) => query.match(/\b(?:api|actor|metadata|unmapped)(?:\.\w+)+/g) ?? [],
    );
    expect(paths.length).toBeGreaterThan(5);
    const valueAt = (path: string) =>
      path.split('.').reduce<unknown>((at, name) => (at as Readonly<Record<string, unknown>> | undefined)?.[name], row);
    expect(paths.filter((path) => valueAt(path) === undefined)).toEqual([]);
  });
});

test('the template declares each column that is sent, for the table and for the stream', () => {
  const declared = [...siemTemplate().matchAll(/\{ name: '(\w+)', type: '(\w+)' \}/g)].map(([, name, type]) => [
    name,
    type,
  ]);
  const columns = Object.entries(SIEM_COLUMNS);
  const ofTable = columns.map(([name, type]) => [name, type === 'datetime' ? 'dateTime' : type]);
  expect(declared).toEqual([...ofTable, ...columns.map(([name, type]) => [name, type])]);
});

test('the page lists each column', () => {
  const page = readFileSync(join(ROOT, 'docs', 'siem.md'), 'utf8');
  const listed = [...page.matchAll(/^\| `(\w+)` \| `(\w+)` \|/gm)].map(([, name, type]) => [name, type]);
  expect(Object.fromEntries(listed)).toEqual(SIEM_COLUMNS);
});
