// The Kysely helper against a PostgreSQL and a running service: TEST_DATABASE_URL, VAULTSPAN_URL and VAULTSPAN_TOKEN.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { Vaultspan, VaultspanError } from '../src/index.ts';
import { encryptedTable } from '../src/kysely.ts';

interface Users {
  readonly id: number;
  readonly email: string | null;
  readonly email_token: string | null;
  readonly photo: Buffer | string | null;
}

const client = new Vaultspan({
  url: process.env['VAULTSPAN_URL'] ?? assert.fail('Set VAULTSPAN_URL'),
  token: process.env['VAULTSPAN_TOKEN'] ?? assert.fail('Set VAULTSPAN_TOKEN'),
});
const pool = new pg.Pool({ connectionString: process.env['TEST_DATABASE_URL'] ?? assert.fail('Set TEST_DATABASE_URL') });
const db = new Kysely<{ ky_users: Users }>({ dialect: new PostgresDialect({ pool }) });
const users = encryptedTable<Users>({
  tenant: () => client.tenant('contoso'),
  table: 'ky_users',
  id: 'id',
  columns: ['email', 'photo'],
  bytes: ['photo'],
  tokens: { email_token: { of: 'email', index: 'email' } },
});

describe('an encrypted table', () => {
  const photo = randomBytes(300);
  before(async () => {
    await sql`drop table if exists ky_users`.execute(db);
    await sql`create table ky_users (id int primary key, email text, email_token text, photo text)`.execute(db);
    const rows = [
      { id: 1, email: 'ann@example.org', photo, email_token: null },
      { id: 2, email: null, photo: null, email_token: null },
    ];
    await db.insertInto('ky_users').values(await users.encrypt(rows)).execute();
  });
  after(async () => {
    await sql`drop table ky_users`.execute(db);
    await Promise.all([db.destroy(), client.close()]);
  });

  it('holds ciphertexts, and its queries return what they hold', async () => {
    const [stored] = await db.selectFrom('ky_users').selectAll().where('id', '=', 1).execute();
    assert.match(stored?.email ?? '', /^eyJ/);
    const [ann, none] = await db.withPlugin(users.decrypted).selectFrom('ky_users').selectAll().orderBy('id').execute();
    assert.equal(ann?.email, 'ann@example.org');
    assert.deepEqual(Buffer.from(ann?.photo as Buffer), photo);
    assert.deepEqual([none?.email, none?.photo], [null, null]);
  });

  it('is searched by the token that stands beside a column', async () => {
    const found = async (email: string) =>
      db.selectFrom('ky_users').select('id').where('email_token', 'in', await users.search('email_token', email)).execute();
    assert.deepEqual(await found('ann@example.org'), [{ id: 1 }]);
    assert.deepEqual(await found('bob@example.org'), []);
  });

  it('refuses a value that was moved to another row or column', async () => {
    await sql`insert into ky_users select 3, email, email_token, null from ky_users where id = 1`.execute(db);
    await sql`insert into ky_users select 4, photo, null, null from ky_users where id = 1`.execute(db);
    for (const id of [3, 4]) {
      const query = db.withPlugin(users.decrypted).selectFrom('ky_users').selectAll().where('id', '=', id).execute();
      await assert.rejects(query, VaultspanError);
    }
  });

  it('asks for the id that its columns are bound to', async () => {
    const query = db.withPlugin(users.decrypted).selectFrom('ky_users').select('email').where('id', '=', 1).execute();
    await assert.rejects(query, /give or select it/);
    await assert.rejects(users.encrypt([{ email: 'x' }]), /give or select it/);
  });
});
