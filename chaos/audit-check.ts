import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { readLines } from '../src/audit/chain/read-lines.ts';
import { verifyDirectories } from '../src/audit/verify/verify-directory.ts';
import { verifyTable } from '../src/audit/verify/verify-table.ts';
import { openDatabase } from '../src/database/open-database.ts';
import { auditTable } from '../src/database/tables/audit-table.ts';
import type { Answer } from './caller.ts';

/**
 * Returns the problems of the audit records of stopped services. It is empty when every answer has
 * its record and all chains are valid.
 */
export async function auditProblems(
  answers: readonly Answer[],
  directory: string,
  databaseUrl: string | undefined,
): Promise<string[]> {
  const recorded = await idsInFiles(directory);
  const chains = [...(await verifyDirectories([directory]))];
  if (databaseUrl !== undefined) {
    for (const id of await idsInTable(databaseUrl)) recorded.add(id);
    const database = await openDatabase({ url: databaseUrl });
    chains.push(...(await verifyTable(auditTable(database), new AbortController().signal)));
    await database.close();
  }
  const bad = chains.filter(({ firstBad, badLink }) => firstBad ?? badLink);
  // Without a record this is the only possible answer; without an answer there is no id.
  const lost = answers.filter(
    ({ code, requestId }) => code !== 'audit-unavailable' && requestId !== '' && !recorded.has(requestId),
  );
  return [
    ...(lost.length > 0 ? [`${lost.length} answers have no audit record, such as ${JSON.stringify(lost[0])}`] : []),
    ...bad.map((chain) => `audit verify: ${JSON.stringify(chain)}`),
    ...(chains.length === 0 ? ['there is no audit chain'] : []),
  ];
}

async function idsInFiles(directory: string): Promise<Set<string>> {
  const ids = new Set<string>();
  for (const name of await readdir(directory)) {
    if (!name.endsWith('.ndjson')) continue;
    for await (const line of readLines(join(directory, name))) collect(line.toString(), ids);
  }
  return ids;
}

async function idsInTable(connectionString: string): Promise<Set<string>> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    const ids = new Set<string>();
    const { rows } = await client.query<{ line: string }>('select line from audit_records');
    for (const { line } of rows) collect(line, ids);
    return ids;
  } finally {
    await client.end();
  }
}

const REQUEST_ID = /"requestId":"([^"]+)"/;

function collect(line: string, ids: Set<string>): void {
  const [, id] = REQUEST_ID.exec(line) ?? [];
  if (id !== undefined) ids.add(id);
}
