import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { postgresTrouble, sqliteTrouble } from '../../src/database/describe-trouble.ts';
import { migrate } from '../../src/database/migrations/migrations.ts';
import { type DatabaseOptions, openDatabase } from '../../src/database/open-database.ts';
import { tenantChanges } from '../../src/database/tables/tenant-rows.ts';
import { DatabaseTrouble } from '../../src/errors.ts';
import { newPostgres } from '../support/sql-databases.ts';
import { openProxy } from '../support/sql-proxy.ts';

/** Returns the operator's message about an unusable database. */
async function troubleOf(options: DatabaseOptions): Promise<DatabaseTrouble> {
  const database = await openDatabase(options);
  const failure: unknown = await database.read(tenantChanges.lastSequence).catch((error: unknown) => error);
  await database.close();
  const trouble = Error.isError(failure) && failure.cause instanceof DatabaseTrouble ? failure.cause : failure;
  if (trouble instanceof DatabaseTrouble) return trouble;
  throw new Error('The database answered', { cause: failure });
}

describe('a pooler that refuses unknown parameters of a connection', () => {
  const REFUSED = ['statement_timeout', 'options', 'lock_timeout'];

  test('works, with the statement timeout set after connecting, and migrates', async () => {
    await using database = await newPostgres([]);
    await using pooler = await openProxy(database.options, REFUSED);
    expect((await migrate({ url: pooler.url })).length).toBeGreaterThan(3);
    const { read, close } = await openDatabase({ url: pooler.url, statementTimeoutMs: 1_234 });
    const shown = await read((db) => sql<{ statement_timeout: string }>`show statement_timeout`.execute(db));
    await close();
    expect(shown.rows).toEqual([{ statement_timeout: '1234ms' }]);
  });

  test('is reported if the URL has options, by migrate as well', async () => {
    await using database = await newPostgres();
    await using pooler = await openProxy(database.options, REFUSED);
    const url = `${pooler.url}?options=-c%20search_path%3Dpublic`;
    const told = /^127\.0\.0\.1:\d+ rejects a connection parameter \(08P01\), as a pooler does$/;
    expect((await troubleOf({ url })).message).toMatch(told);
    await expect(migrate({ url })).rejects.toMatchObject({ cause: { message: expect.stringMatching(told) } });
  });

  test('is bypassed when migrate knows the server itself', async () => {
    await using database = await newPostgres([]);
    const directUrl = 'url' in database.options ? database.options.url : '';
    const taken = await migrate({ url: 'postgres://ann@127.0.0.1:1/nothing', directUrl });
    expect(taken.length).toBeGreaterThan(3);
  });
});

describe("the operator's message", () => {
  test('about an unreachable server names host and error, and is no configuration error', async () => {
    await using database = await newPostgres();
    const proxy = await openProxy(database.options);
    await proxy[Symbol.asyncDispose]();
    const trouble = await troubleOf({ url: proxy.url });
    expect(trouble.message).toMatch(/^127\.0\.0\.1:\d+ is not listening \(ECONNREFUSED\)$/);
  });

  test.each([
    [{ code: '28P01' }, 'refuses to serve (28P01)'],
    [{ code: 'ENOTFOUND' }, 'cannot be found (ENOTFOUND)'],
    [{ code: '53300' }, 'has no connection or resource left (53300)'],
    [{ message: 'timeout expired' }, 'does not answer in time'],
    [{ message: 'quoted: secret' }, 'is unreachable (the connection ended)'],
  ])('about %j is one line without the text of the driver', (error, told) => {
    const { message } = postgresTrouble({ host: 'db', port: 5432 }, Object.assign(new Error(), error));
    expect(message).toBe(`db:5432 ${told}`);
  });

  test('about an SQLite file names it', () => {
    expect(sqliteTrouble('/d/x.db', new Error('secret'), 13).message).toBe(
      '/d/x.db has no room left on its disk (SQLITE_FULL)',
    );
  });
});

test("SQLite's files are only for their owner, even older ones", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'private-'));
  const file = join(folder, 'tenants.db');
  await writeFile(file, '', { mode: 0o644 });
  await migrate({ file });
  const { write, close } = await openDatabase({ file });
  await write((trx) => sql`update tenant_changes set sequence = sequence`.execute(trx));
  const modes = await Promise.all(
    ['', '-wal', '-shm'].map(async (suffix) => ((await stat(`${file}${suffix}`)).mode & 0o777).toString(8)),
  );
  await close();
  expect(modes).toEqual(['600', '600', '600']);
  await rm(folder, { recursive: true });
});
