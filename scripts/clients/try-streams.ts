// Sends streams with Node's own fetch, as they come: node try-streams.ts URL, with a caller's token
// in TOKEN.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import process from 'node:process';

const url = process.argv[2] ?? assert.fail('Name the URL of the service');
const headers = {
  Authorization: `Bearer ${process.env['TOKEN'] ?? assert.fail('Set TOKEN')}`,
  'Content-Type': 'application/octet-stream',
};
const PIECE = Buffer.alloc(100_003, 'streams');
const PIECES = 100;

const sent = createHash('sha256');
const source = ReadableStream.from(
  (function* () {
    for (let count = 0; count < PIECES; count += 1) {
      sent.update(PIECE);
      yield PIECE;
    }
  })(),
);
const encrypted = await post('encrypt', source);
// One call's answer is the other's body, while both continue: neither is ever whole in memory.
const decrypted = await post('decrypt', encrypted.body ?? assert.fail('No body'));
const received = createHash('sha256');
for await (const piece of decrypted.body ?? assert.fail('No body')) received.update(piece);
assert.equal(received.digest('hex'), sent.digest('hex'));
process.stdout.write(`fetch streams: ${PIECE.length * PIECES} bytes through both calls at once\n`);

async function post(operation: string, body: ReadableStream<Uint8Array>): Promise<Response> {
  const request = { method: 'POST', headers, body, duplex: 'half' as const };
  const response = await fetch(`${url}/tenants/contoso/streams/${operation}`, request);
  assert.equal(response.status, 200);
  return response;
}
