// Against a running service on the emulated Azure: VAULTSPAN_URL, and a caller's token in VAULTSPAN_TOKEN.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, describe, it } from 'node:test';
import { Vaultspan, VaultspanError } from '../src/index.ts';

const client = new Vaultspan({
  url: process.env['VAULTSPAN_URL'] ?? assert.fail('Set VAULTSPAN_URL'),
  token: process.env['VAULTSPAN_TOKEN'] ?? assert.fail('Set VAULTSPAN_TOKEN'),
});
const contoso = client.tenant('contoso');
const context = { table: 'users', id: '17' };
after(() => client.close());

const refusal = (code: string) => (error: unknown) => error instanceof VaultspanError && error.code === code;

describe('values', () => {
  it('are decrypted as they were encrypted: text and bytes, singly and together', async () => {
    const bytes = randomBytes(1000);
    const [text, binary, none] = await Promise.all([contoso.encrypt('Grüße', { context }), contoso.encrypt(bytes), contoso.encrypt('')]);
    assert.equal((await contoso.decrypt(text, { context })).text(), 'Grüße');
    const [opened, empty] = await Promise.all([contoso.decrypt(binary), contoso.decrypt(none)]);
    assert.deepEqual(Buffer.from(opened.bytes), bytes);
    assert.equal(empty.bytes.length, 0);
  });

  it('are refused with another context, another tenant, or altered', async () => {
    const sealed = await contoso.encrypt('a', { context });
    await assert.rejects(contoso.decrypt(sealed, { context: { ...context, id: '18' } }), refusal('context-mismatch'));
    await assert.rejects(contoso.decrypt(sealed), refusal('context-mismatch'));
    await assert.rejects(client.tenant('fabrikam').decrypt(sealed, { context }), refusal('wrong-tenant'));
    const altered = `${sealed.slice(0, -2)}${sealed.endsWith('AA') ? 'BB' : 'AA'}`;
    await assert.rejects(contoso.decrypt(altered, { context }), VaultspanError);
  });

  it('of a customer that granted nothing are refused, with the fix', async () => {
    await assert.rejects(client.tenant('northwind').encrypt('a'), (error) => {
      assert.ok(error instanceof VaultspanError);
      assert.deepEqual([error.code, error.reason, error.fix?.owner], ['access-revoked', 'role-missing', 'resource-owner']);
      return true;
    });
  });

  it('are sealed anew for another tenant', async () => {
    const moved = await contoso.rewrap(await contoso.encrypt('a', { context }), { context, to: { tenantId: 'fabrikam' } });
    assert.equal((await client.tenant('fabrikam').decrypt(moved, { context })).text(), 'a');
  });
});

describe('records', () => {
  const user = { id: 17, email: 'ann@example.org', photo: randomBytes(300), nick: null, note: '' };
  const only = ['email', 'photo', 'nick', 'note'] as const;

  it('are decrypted as they were encrypted, other fields untouched', async () => {
    const row = await contoso.encryptFields(user, { context, only });
    assert.equal(row.id, 17);
    assert.equal(row.nick, null);
    assert.notEqual(row.email, user.email);
    const opened = await contoso.decryptFields(row, { context, only, bytes: ['photo'] });
    assert.deepEqual({ ...opened, photo: Buffer.from(opened.photo) }, user);
    const part = await contoso.decryptFields(row, { context, only: ['email'] });
    assert.equal(part.email, user.email);
  });

  it('refuse fields that were swapped, also by decrypt', async () => {
    const row = await contoso.encryptFields({ a: '1', b: '2' }, { context });
    await assert.rejects(contoso.decryptFields({ a: row.b, b: row.a }, { context }), refusal('context-mismatch'));
    await assert.rejects(contoso.decrypt(row.a, { context }), refusal('context-mismatch'));
  });

  it('travel together and are sealed anew', async () => {
    const rows = await Promise.all(Array.from({ length: 50 }, (_, at) => contoso.encryptFields({ v: String(at) }, { context })));
    const again = await Promise.all(rows.map((row) => contoso.rewrapFields(row, { context })));
    const opened = await Promise.all(again.map((row) => contoso.decryptFields(row, { context })));
    assert.deepEqual(opened.map(({ v }) => v), rows.map((_, at) => String(at)));
  });
});

describe('streams', () => {
  const bytes = randomBytes(3_000_000);

  it('are decrypted as they were encrypted', async () => {
    const sealed = new Blob([bytes]).stream().pipeThrough(contoso.encryptStream({ context }));
    const opened = sealed.pipeThrough(contoso.decryptStream({ context }));
    assert.deepEqual(Buffer.from(await new Response(opened).arrayBuffer()), bytes);
  });

  it('that are cut fail', async () => {
    const sealed = await new Response(new Blob([bytes]).stream().pipeThrough(contoso.encryptStream())).arrayBuffer();
    const cut = new Blob([sealed.slice(0, 2_000_000)]).stream().pipeThrough(contoso.decryptStream());
    await assert.rejects(new Response(cut).arrayBuffer());
  });

  it('that the service refuses fail with its problem', async () => {
    const refused = new Blob([bytes]).stream().pipeThrough(client.tenant('northwind').encryptStream());
    await assert.rejects(refused.getReader().read(), refusal('access-revoked'));
  });

  it('that are cancelled end', async () => {
    const controller = new AbortController();
    const { readable, writable } = contoso.encryptStream({ signal: controller.signal });
    const writer = writable.getWriter();
    const writing = writer.write(randomBytes(100)).catch(() => undefined);
    const reading = readable.getReader().read();
    controller.abort(new Error('no longer'));
    await assert.rejects(reading, /no longer/);
    await writing;
    await assert.rejects(writer.write(randomBytes(100)));
  });
});
