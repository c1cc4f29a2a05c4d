// Ten minutes of the TypeScript client, remote and local at once: node --expose-gc soak.mjs, with VAULTSPAN_URL and
// VAULTSPAN_TOKEN. Prints a JSON line each half minute, and fails if a call failed or memory grew after the first two minutes.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Vaultspan } from '../../clients/typescript/dist/index.js';

const SECONDS = Number(process.env.SOAK_SECONDS ?? 600);
const PAUSE_MS = 20;
const MAX_GROWTH_BYTES = 16 * 1_024 * 1_024;
const begun = performance.now();
const seconds = () => (performance.now() - begun) / 1_000;

const [remote, local] = [false, 'required'].map(
  (local) => new Vaultspan({ url: process.env.VAULTSPAN_URL, token: process.env.VAULTSPAN_TOKEN, local }),
);
let calls = 0;
const work = [remote, local].map(async (client) => {
  const contoso = client.tenant('contoso');
  while (seconds() < SECONDS) {
    const context = { table: 'users', id: String(calls) }; // a new one each time: nothing may be kept for it
    const row = { email: `ann${calls}@example.org`, note: 'x'.repeat(200) };
    const sealed = await contoso.encryptFields(row, { context, key: 'compact' });
    assert.deepEqual(await contoso.decryptFields(sealed, { context }), row);
    calls += 1;
    await sleep(PAUSE_MS);
  }
});
const samples = [];
const watch = async () => {
  while (seconds() < SECONDS) {
    await sleep(Math.min(30_000, (SECONDS * 1_000) / 20));
    globalThis.gc();
    const { heapUsed, rss } = process.memoryUsage();
    samples.push({ seconds: Math.round(seconds()), rows: calls, heapBytes: heapUsed, rssBytes: rss });
    process.stdout.write(`${JSON.stringify({ client: 'typescript', ...samples.at(-1) })}\n`);
  }
};
await Promise.all([...work, watch()]);
await Promise.all([remote.close(), local.close()]);
const warm = samples.find((sample) => sample.seconds >= SECONDS / 5);
assert.ok(samples.at(-1).heapBytes - warm.heapBytes < MAX_GROWTH_BYTES, 'the heap grows');
