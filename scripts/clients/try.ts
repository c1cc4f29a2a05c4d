// Calls a running service through the generated TypeScript client: node try.js URL, with a caller's token in TOKEN.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Configuration, DataApi, KeysApi, ProblemFromJSON, ResponseError } from '../../.clients/typescript/index.ts';

const configuration = new Configuration({
  basePath: process.argv[2] ?? assert.fail('Name the URL of the service'),
  accessToken: process.env['TOKEN'] ?? assert.fail('Set TOKEN'),
});
const data = new DataApi(configuration);
const keys = new KeysApi(configuration);
const tenantId = 'contoso';
// Every byte that there is: this client takes and gives base64 text as it is on the wire.
const plaintext = Buffer.from(Uint8Array.from({ length: 256 }, (_, byte) => byte)).toString('base64');
const encryptionContext = { purpose: 'invoice', id: '4711' };

const encrypted = await data.encryptData({ tenantId, encryptRequest: { plaintext, encryptionContext } });
const { ciphertext } = encrypted;
const decrypted = await data.decryptData({ tenantId, decryptRequest: { ciphertext, encryptionContext } });
assert.deepEqual(decrypted, { plaintext, keyId: encrypted.keyId });
step(`encrypt, decrypt: ${ciphertext.length} characters under ${encrypted.keyId}`);

const value = randomBytes(32).toString('base64');
const { wrappedKey, keyId, algorithm } = await keys.wrapKey({ tenantId, wrapRequest: { value, key: 'wrap' } });
assert.notEqual(wrappedKey, value);
// The contract has an answer's algorithm as text, since others may come, and a request's as one of those that are known.
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
