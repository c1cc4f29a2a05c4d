// Calls a running service through the generated TypeScript client: node try.js URL, with a caller's
// token in TOKEN.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  Configuration,
  DataApi,
  KeysApi,
  ProblemFromJSON,
  ResponseError,
  StreamsApi,
} from '../../.clients/typescript/index.ts';

const configuration = new Configuration({
  basePath: process.argv[2] ?? assert.fail('Name the URL of the service'),
  accessToken: process.env['TOKEN'] ?? assert.fail('Set TOKEN'),
});
const data = new DataApi(configuration);
const keys = new KeysApi(configuration);
const streams = new StreamsApi(configuration);
const tenantId = 'contoso';
// Every byte value: this client takes and returns base64 text as it is on the wire.
const plaintext = Buffer.from(Uint8Array.from({ length: 256 }, (_, byte) => byte)).toString('base64');
const encryptionContext = { purpose: 'invoice', id: '4711' };

const encrypted = await data.encryptData({ tenantId, encryptRequest: { plaintext, encryptionContext } });
const { ciphertext } = encrypted;
const decrypted = await data.decryptData({ tenantId, decryptRequest: { ciphertext, encryptionContext } });
assert.deepEqual(decrypted, { plaintext, keyId: encrypted.keyId });
step(`encrypt, decrypt: ${ciphertext.length} characters under ${encrypted.keyId}`);

const items = [{ plaintext, encryptionContext }, { plaintext: 'not base64!' }];
const sealed = await data.encryptBatch({ tenantId, encryptBatchRequest: { items } });
const [good, bad] = sealed.items;
assert.equal(bad?.error?.code, 'malformed-request');
assert.equal(bad.error.errors?.[0]?.pointer, '/items/1/plaintext');
const stored = { ciphertext: good?.ciphertext ?? assert.fail('The batch gave nothing'), encryptionContext };
const opened = await data.decryptBatch({ tenantId, decryptBatchRequest: { items: [stored, { ciphertext }] } });
assert.equal(opened.items[0]?.plaintext, plaintext);
assert.equal(opened.items[1]?.error?.code, 'context-mismatch');
step(`batch: ${sealed.items.length} items each way, one of them refused by itself`);

// Several segments. The client is a fetch, which reads while it sends.
const body = new Blob([randomBytes(3_000_000)]);
const context = Buffer.from(JSON.stringify(encryptionContext)).toString('base64url');
const stream = Buffer.from(await (await streams.encryptStream({ tenantId, body, encryptionContext: context })).arrayBuffer());
const headerEnd = 10 + stream.readUInt32BE(6);
const header = await streams.rewrapStreamHeader({
  tenantId,
  rewrapRequest: { ciphertext: stream.toString('latin1', 10, headerEnd), encryptionContext, to: { tenantId: 'fabrikam' } },
});
const length = Buffer.alloc(4);
length.writeUInt32BE(header.ciphertext.length);
const moved = new Blob([stream.subarray(0, 6), length, header.ciphertext, stream.subarray(headerEnd)]);
const decryptedStream = await streams.decryptStream({ tenantId: 'fabrikam', body: moved, encryptionContext: context });
assert.deepEqual(await decryptedStream.bytes(), await body.bytes());
step(`streams: ${body.size} bytes encrypted, the header moved to fabrikam, decrypted there`);

const value = randomBytes(32).toString('base64');
const { wrappedKey, keyId, algorithm } = await keys.wrapKey({ tenantId, wrapRequest: { value, key: 'wrap' } });
assert.notEqual(wrappedKey, value);
// The contract has an answer's algorithm as text, since others may be added, and a request's as one
// of the known ones.
assert.equal(algorithm, 'RSA-OAEP-256');
const unwrapped = await keys.unwrapKey({ tenantId, unwrapRequest: { wrappedKey, keyId, algorithm } });
assert.deepEqual(unwrapped, { value, keyId });
step(`wrap, unwrap: by ${algorithm} under ${keyId}`);

const refusal = await data.encryptData({ tenantId: 'northwind', encryptRequest: { plaintext } }).then(
  () => assert.fail('northwind has granted nothing, and yet the service encrypted'),
  (error: unknown) => error,
);
assert(refusal instanceof ResponseError, String(refusal));
assert.equal(refusal.response.status, 403);
const problem = ProblemFromJSON(await refusal.response.json());
assert.equal(problem.status, 403);
assert.equal(problem.code, 'access-revoked');
assert.equal(problem.reason, 'role-missing');
assert.ok(problem.fix?.action, 'The problem names no fix');
assert.equal(problem.requestId, refusal.response.headers.get('X-Request-Id'));
step(`refusal: ${problem.status} ${problem.code}, ${problem.reason}`);

function step(text: string): void {
  process.stdout.write(`typescript ${text}\n`);
}
