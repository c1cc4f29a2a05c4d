// CPU of the TypeScript client, against data keys by hand and the AWS Encryption SDK: node node.mjs, with VAULTSPAN_URL
// and VAULTSPAN_TOKEN for the rows of remote calls. Prints JSON lines {row, microseconds}: CPU of this process per field.
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import {
  buildClient,
  CommitmentPolicy,
  getLocalCryptographicMaterialsCache,
  NodeCachingMaterialsManager,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
} from '@aws-crypto/client-node';
import { Vaultspan } from '../../clients/typescript/dist/index.js';

const RUNS = Number(process.env.BENCH_RUNS ?? 5);
const FIELDS = Number(process.env.BENCH_FIELDS ?? 50_000);
const FIELD = 'x'.repeat(64);
const recurring = { table: 'users', column: 'email' };
const contextOf = (kind, at) => (kind === 'recurring' ? recurring : { table: 'users', id: String(at) });

await local();
await floor();
await byHand();
await aws();
if (process.env.VAULTSPAN_URL !== undefined) await remote();

/** A lease without a service: what is measured is what the client does for each field, accounting included. */
async function local() {
  const lease = () => ({
    leaseId: 'l',
    kid: Buffer.concat([Buffer.alloc(8, 1), Buffer.of(0x80), randomBytes(7)]).toString('base64url'),
    key: randomBytes(32).toString('base64'),
    expiresInSeconds: 3600,
    maxMessages: 2 ** 24,
    maxBytes: 2 ** 36,
  });
  const fetch = async (url) =>
    String(url).endsWith('/usage') ? new Response(null, { status: 204 }) : Response.json(lease());
  const client = new Vaultspan({ url: 'https://service.example', token: 't', local: 'required', fetch });
  const contoso = client.tenant('contoso');
  for (const kind of ['recurring', 'new']) {
    const sealed = [];
    await measure(`local encrypt, ${kind} context`, FIELDS, async (at) => {
      sealed[at] = await contoso.encrypt(FIELD, { context: contextOf(kind, at) });
    });
    await measure(`local decrypt, ${kind} context`, FIELDS, async (at) => {
      await contoso.decrypt(sealed[at], { context: contextOf(kind, at) });
    });
  }
  const row = { a: FIELD, b: FIELD, c: FIELD, d: FIELD };
  const rows = [];
  await measure(
    'local encryptFields, 4 fields, new context',
    FIELDS / 4,
    async (at) => {
      rows[at] = await contoso.encryptFields(row, { context: { id: String(at) } });
    },
    4,
  );
  await measure(
    'local decryptFields, 4 fields, new context',
    FIELDS / 4,
    async (at) => {
      await contoso.decryptFields(rows[at], { context: { id: String(at) } });
    },
    4,
  );
  await client.close();
}

/** What no client can leave out in Node: one cipher with an IV at hand and base64url; for a new context, one HMAC too. */
async function floor() {
  const key = randomBytes(32);
  const ivs = randomBytes(12 * 256);
  const associated = Buffer.alloc(80, 'e');
  const ivOf = (at) => ivs.subarray((at & 255) * 12, ((at & 255) + 1) * 12);
  const seal = (contentKey, at) => {
    const cipher = createCipheriv('aes-256-gcm', contentKey, ivOf(at));
    cipher.setAAD(associated);
    const bytes = cipher.update(FIELD, 'utf8');
    cipher.final();
    return `${bytes.toString('base64url')}.${cipher.getAuthTag().toString('base64url')}`;
  };
  const sealed = [];
  await measure('floor: one cipher, base64url', FIELDS, async (at) => {
    sealed[at] = seal(key, at);
  });
  await measure('floor: one decipher, base64url', FIELDS, async (at) => {
    const [bytes, tag] = sealed[at].split('.');
    const decipher = createDecipheriv('aes-256-gcm', key, ivOf(at));
    decipher.setAAD(associated).setAuthTag(Buffer.from(tag, 'base64url'));
    decipher.update(Buffer.from(bytes, 'base64url'));
    decipher.final();
  });
  await measure('floor: one HMAC, one cipher, base64url', FIELDS, async (at) => {
    const context = JSON.stringify(contextOf('new', at));
    sealed[at] = seal(createHmac('sha256', key).update(context).digest(), at);
  });
}

/** A data key by hand: AES-256-GCM, the context as associated data, base64url. The least that any library does. */
async function byHand() {
  const key = randomBytes(32);
  const sealed = [];
  await measure('data key by hand, encrypt, new context', FIELDS, async (at) => {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key, iv);
    cipher.setAAD(Buffer.from(JSON.stringify(contextOf('new', at))));
    const bytes = Buffer.concat([iv, cipher.update(FIELD, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    sealed[at] = bytes.toString('base64url');
  });
  await measure('data key by hand, decrypt, new context', FIELDS, async (at) => {
    const bytes = Buffer.from(sealed[at], 'base64url');
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
    decipher.setAAD(Buffer.from(JSON.stringify(contextOf('new', at)))).setAuthTag(bytes.subarray(-16));
    Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString();
  });
}

async function aws() {
  const { encrypt, decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_ALLOW_DECRYPT);
  const keyring = new RawAesKeyringNode({
    keyName: 'k',
    keyNamespace: 'n',
    unencryptedMasterKey: randomBytes(32),
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  });
  const cache = getLocalCryptographicMaterialsCache(1000);
  const manager = new NodeCachingMaterialsManager({
    backingMaterials: keyring,
    cache,
    maxAge: 300_000,
    maxMessagesEncrypted: 2 ** 24,
  });
  const count = FIELDS / 100;
  for (const kind of ['recurring', 'new']) {
    const sealed = [];
    await measure(`AWS Encryption SDK, caching, encrypt, ${kind} context`, count, async (at) => {
      sealed[at] = (await encrypt(manager, FIELD, { encryptionContext: contextOf(kind, at) })).result.toString(
        'base64url',
      );
    });
    await measure(`AWS Encryption SDK, caching, decrypt, ${kind} context`, count, async (at) => {
      await decrypt(manager, Buffer.from(sealed[at], 'base64url'));
    });
  }
}

/** 100 fields at once: coalesced by the client, and the batch call itself. */
async function remote() {
  const url = process.env.VAULTSPAN_URL;
  const token = process.env.VAULTSPAN_TOKEN ?? assert.fail('Set VAULTSPAN_TOKEN');
  let answers = 0;
  const counting = async (input, init) => {
    const response = await fetch(input, init);
    assert.equal(response.status, 200);
    answers += 1;
    return response;
  };
  const client = new Vaultspan({ url, token, fetch: counting });
  const contoso = client.tenant('contoso');
  const contexts = Array.from({ length: 100 }, (_, at) => contextOf('new', at));
  const coalesced = () => Promise.all(contexts.map((context) => contoso.encrypt(FIELD, { context, key: 'compact' })));
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const plaintext = Buffer.from(FIELD).toString('base64');
  const batch = async () => {
    const items = contexts.map((encryptionContext) => ({ plaintext, encryptionContext, key: 'compact' }));
    const response = await fetch(`${url}/tenants/contoso/batch/encrypt`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ items }),
    });
    assert.equal(response.status, 200);
    assert.equal((await response.json()).items.length, 100);
  };
  await compare('remote, 100 fields', { coalesced, 'the batch call itself': batch }, 200);
  assert.equal(answers, (RUNS + 1) * 200, 'each time 100 fields are one request');
  await client.close();
}

/** Prints CPU per field: the median of runs after one that warms. */
async function measure(row, count, work, fields = 1) {
  const figures = [];
  for (let run = 0; run <= RUNS; run += 1) {
    const before = process.cpuUsage();
    for (let at = 0; at < count; at += 1) await work(at);
    const { user, system } = process.cpuUsage(before);
    if (run > 0) figures.push((user + system) / count / fields);
  }
  print(row, figures);
}

/** Prints CPU and time of works that take turns. */
async function compare(row, works, count) {
  const cpu = Object.fromEntries(Object.keys(works).map((name) => [name, []]));
  const time = Object.fromEntries(Object.keys(works).map((name) => [name, []]));
  for (let run = 0; run <= RUNS; run += 1) {
    for (const [name, work] of Object.entries(works)) {
      const before = process.cpuUsage();
      const started = performance.now();
      for (let at = 0; at < count; at += 1) await work();
      const { user, system } = process.cpuUsage(before);
      if (run === 0) continue;
      cpu[name].push((user + system) / count);
      time[name].push(((performance.now() - started) * 1000) / count);
    }
  }
  for (const name of Object.keys(works)) {
    print(`${row}, ${name}: CPU of the client`, cpu[name]);
    print(`${row}, ${name}: time`, time[name]);
  }
}

function print(row, figures) {
  const sorted = figures.toSorted((a, b) => a - b);
  process.stdout.write(
    `${JSON.stringify({ row, microseconds: Number(sorted[sorted.length >> 1].toFixed(1)), figures: figures.map((one) => Number(one.toFixed(1))) })}\n`,
  );
}
