// One value and one record around all that open and seal compact messages, against a running service on the emulated
// Azure: node round.mjs PYTHON, with VAULTSPAN_URL and VAULTSPAN_TOKEN. The TypeScript client seals under a lease, the
// Python client opens and seals under its own, the service opens and seals, jose opens all with the leased key.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { compactDecrypt } from 'jose';
import { Vaultspan } from '../typescript/dist/index.js';

const python = process.argv[2] ?? assert.fail('Name the Python that has the client');
const url = process.env['VAULTSPAN_URL'] ?? assert.fail('Set VAULTSPAN_URL');
const token = process.env['VAULTSPAN_TOKEN'] ?? assert.fail('Set VAULTSPAN_TOKEN');
const context = { table: 'users', id: '17' };
const VALUE = 'Grüße 🙂';
const RECORD = { email: 'ann@example.org', note: '' };
const KEY = { key: 'compact' };

const remote = new Vaultspan({ url, token });
const service = remote.tenant('contoso');

await around();
await refused();
await remote.close();
process.stdout.write('round: typescript, python, service and jose open one another; a suspended tenant is out of reach\n');

async function around() {
  const local = new Vaultspan({ url, token, local: 'required' });
  const here = local.tenant('contoso');
  const mine = { value: await here.encrypt(VALUE, { context, ...KEY }), row: await here.encryptFields(RECORD, { context, ...KEY }) };
  await isOpenedBy('jose', openWithJose, mine);
  await isOpenedBy('the service', openByService, mine);
  const theirs = await pythonRound(mine);
  assert.notEqual(leafOf(theirs.value), leafOf(mine.value));
  for (const [name, open] of Object.entries({ typescript: (sealed) => openBy(here, sealed), jose: openWithJose, service: openByService })) {
    await isOpenedBy(name, open, theirs);
  }
  const again = { value: await service.encrypt(VALUE, { context, ...KEY }), row: await service.encryptFields(RECORD, { context, ...KEY }) };
  // Its leaf never leaves the service: clients with leases have the service open it.
  await assert.rejects(here.decrypt(again.value, { context }), { code: 'local-refused' });
  await isOpenedBy('python, by the service', openByPython, again);
  const moved = await service.rewrap(theirs.value, { context, to: { key: 'data' } });
  assert.equal((await service.decrypt(moved, { context })).text(), VALUE);
  await local.close();
}

/** A tenant that is suspended while a client has a lease: within the lease's seconds nothing is opened any more. */
async function refused() {
  const local = new Vaultspan({ url, token, local: 'required' });
  const here = local.tenant('contoso');
  const sealed = await here.encrypt(VALUE, KEY);
  await post('contoso/suspend', { 'If-Match': await revision() });
  try {
    const before = performance.now();
    let failure;
    while (failure === undefined && performance.now() - before < 120_000) {
      failure = await here.decrypt(sealed).then(() => sleep(100), (error) => error);
    }
    assert.equal(failure?.code, 'tenant-suspended', String(failure));
  } finally {
    await post('contoso/resume', { 'If-Match': await revision() });
  }
  await local.close();
}

async function isOpenedBy(name, open, sealed) {
  assert.deepEqual(await open(sealed), { value: VALUE, row: RECORD }, name);
}

async function openBy(tenant, { value, row }) {
  return { value: (await tenant.decrypt(value, { context })).text(), row: await tenant.decryptFields(row, { context }) };
}

function openByService(sealed) {
  return openBy(service, sealed);
}

async function openByPython(sealed) {
  return (await runPython({ ...sealed, local: true })).opened;
}

/** Returns what the Python client seals, once it opened what it was given. */
async function pythonRound(sealed) {
  const { opened, sealed: theirs } = await runPython({ ...sealed, local: 'required' });
  assert.deepEqual(opened, { value: VALUE, row: RECORD }, 'python');
  return theirs;
}

function runPython(input) {
  return new Promise((resolve, reject) => {
    const child = execFile(python, [new URL('round.py', import.meta.url).pathname], (error, stdout) =>
      error === null ? resolve(JSON.parse(stdout)) : reject(error),
    );
    child.stdin.end(JSON.stringify({ ...input, context }));
  });
}

/** Opens with a JOSE library, by the key that a lease gives for the leaf. */
async function openWithJose({ value, row }) {
  const open = async (message, canonical, field) => {
    const messages = [{ ciphertext: message, encryptionContext: context, ...(field === undefined ? {} : { field }) }];
    const { items } = await post('contoso/leases/open', {}, { messages });
    const leafKey = Buffer.from(items[0].key, 'base64');
    // HKDF-Expand of one block: docs/formats.md of the service.
    const key = createHmac('sha256', leafKey).update(`vaultspan 2 context\n${canonical}\x01`).digest();
    return Buffer.from((await compactDecrypt(message, key)).plaintext).toString();
  };
  const fields = Object.entries(row).map(async ([name, message]) => [
    name,
    await open(message, `{"id":"17","table":"users","vaultspan:field":${JSON.stringify(name)}}`, name),
  ]);
  return { value: await open(value, '{"id":"17","table":"users"}'), row: Object.fromEntries(await Promise.all(fields)) };
}

function leafOf(message) {
  return message.slice(0, 80);
}

async function revision() {
  const response = await fetch(`${url}/tenants/contoso`, { headers: { Authorization: `Bearer ${token}` } });
  return response.headers.get('ETag');
}

async function post(path, headers, body) {
  const response = await fetch(`${url}/tenants/${path}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  assert.ok(response.ok, `${path}: ${response.status}`);
  return response.status === 204 ? undefined : response.json();
}
