import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { auditTable } from '../../src/database/tables/audit-table.ts';
import { settingsFor } from '../support/config.ts';
import { dump, restore } from '../support/postgres-tools.ts';
import { runCli } from '../support/run-cli.ts';
import { newPostgres, type TestDatabase } from '../support/sql-databases.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

/**
 * The steps of docs/audit.md, Backup and restore: records that the database loses in a restore are
 * in the files, and are restored from there.
 */
let database: TestDatabase;
let service: TestService;
let config: string;
const url = () => ('url' in database.options ? database.options.url : '');

beforeAll(async () => {
  database = await newPostgres();
  service = await startService({ config: { database: { url: url() } } });
  await writeFile(join(service.folder, 'ca.pem'), service.emulator.caPem);
  config = join(service.folder, 'config.json');
  await writeFile(
    config,
    JSON.stringify({ ...settingsFor(service.emulator, service.folder), database: { url: url() } }),
  );
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

async function audit(...args: string[]) {
  const { exitCode, out, err } = runCli(['audit', ...args, '--config', config], { cwd: service.folder });
  return { code: await exitCode, out: out(), err: err() };
}

async function encryptSome(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const { status } = await service.post('/tenants/fabrikam/encrypt', { plaintext: 'aGk=' });
    expect(status).toBe(200);
  }
}

test('dump, more records, restore: the files show the missing records, and ship --all restores them', async () => {
  await encryptSome(5);
  const table = auditTable(await database.open());
  await until(async () => {
    const first = await table.nextChain('');
    return first !== undefined && (await table.last(first.chain))?.sequence === 5;
  }, 'the records are shipped');
  const backup = join(service.folder, 'backup.dump');
  await dump(url(), backup);
  await encryptSome(7);
  await service.stop();
  expect(await audit('verify', '--online')).toMatchObject({ code: 0, out: expect.stringContaining('all intact\n') });

  await restore(url(), backup);
  // The table alone looks complete: only the files show the difference.
  expect(await audit('verify', '--online', '--database')).toMatchObject({ code: 0 });
  const found = await audit('verify', '--online');
  expect(found).toMatchObject({
    code: 1,
    out: expect.stringMatching(/BAD end at sequence 13, in the database at 5: /),
  });
  expect(found.out).toContain('all intact in themselves, 1 end differ from the database');
  expect(JSON.parse((await audit('verify', '--online', '--json')).out)).toMatchObject({
    ok: false,
    ends: [{ inFiles: 13, inDatabase: 5, problem: 'not-in-database' }],
  });

  const shipped = await audit('ship', '--all');
  expect(shipped).toMatchObject({
    code: 0,
    out: expect.stringContaining('14 records, 8 of them new to the database\n'),
  });
  expect((await audit('ship', '--all')).out).toContain('0 of them new');
  expect(await audit('verify', '--online')).toMatchObject({ code: 0, out: expect.stringContaining('all intact\n') });
  expect(await audit('verify', '--online', '--database')).toMatchObject({
    code: 0,
    out: expect.stringContaining('14 records: all intact\n'),
  });
});

test("a chain that was cut at a line's end is detected by the database only", async () => {
  const directory = join(service.folder, 'audit');
  const [name = ''] = await readdir(directory);
  const text = await readFile(join(directory, name), 'utf8');
  const cut = text.split('\n').slice(0, -3).join('\n').length + 1;
  await truncate(join(directory, name), cut);
  expect(await audit('verify', directory)).toMatchObject({ code: 0 });
  expect(await audit('verify', '--online')).toMatchObject({
    code: 1,
    out: expect.stringMatching(/BAD end at sequence 11, in the database at 13: .*the end of the file is missing/),
  });
});

test('records forged with access to disk and database, but without the audit key, are detected', async () => {
  const secret = join(service.folder, 'audit-key');
  await writeFile(secret, `${Buffer.alloc(32, 1).toString('base64url')}\n`);
  const directory = join(service.folder, 'audit');
  expect(await audit('verify', '--key', secret, directory)).toMatchObject({
    code: 1,
    out: expect.stringContaining('made with another key'),
  });
  await writeFile(secret, 'no key');
  expect(await audit('verify', '--key', secret, directory)).toMatchObject({
    code: 2,
    err: expect.stringContaining('each line must be 32 bytes in base64url'),
  });
});
