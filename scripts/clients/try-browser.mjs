// The TypeScript client in Chromium: node try-browser.mjs URL, with a caller's token in TOKEN and the browser's path in
// CHROMIUM. A page from here calls the service through a path of the same origin, as a vendor's own server would do it.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import process from 'node:process';
import { chromium } from 'playwright-core';

const service = process.argv[2] ?? assert.fail('Name the URL of the service');
const token = process.env['TOKEN'] ?? assert.fail('Set TOKEN');
const dist = new URL('../../clients/typescript/dist/', import.meta.url);

const server = createServer((request, response) => {
  answer(request, response).catch((error) => response.writeHead(500).end(String(error)));
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;
const browser = await chromium.launch({ executablePath: process.env['CHROMIUM'] ?? assert.fail('Set CHROMIUM'), args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
try {
  const page = await browser.newPage();
  const asked = new Set();
  const complaints = [];
  page.on('request', (one) => asked.add(new URL(one.url()).origin));
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(`${origin}/`);
  const result = await page.evaluate(useClient, origin);
  assert.deepEqual(result, {
    opened: 'Grüße 🙂',
    together: ['0', '1', '2'],
    record: { id: 7, email: 'ann@example.org', note: null },
    large: 300_000,
    refusal: { code: 'context-mismatch', status: 422 },
    local: "TypeError: local needs Node's crypto: leave it out in this runtime",
  });
  assert.deepEqual(complaints, []);
  assert.deepEqual([...asked], [origin], 'asked another host');
} finally {
  await browser.close();
  server.close();
  server.closeAllConnections();
}
process.stdout.write('chromium: values, batches, records and a refusal; no other host was asked\n');

/** Runs in the page. The token stays with the page's server, so the page has any text for one. */
async function useClient(url) {
  const { Vaultspan } = await import('/client/index.js');
  const client = new Vaultspan({ url: `${url}/vaultspan`, token: 'of-the-session' });
  const contoso = client.tenant('contoso');
  const context = { table: 'users', id: '7' };
  const sealed = await contoso.encrypt('Grüße 🙂', { context });
  const opened = (await contoso.decrypt(sealed, { context })).text();
  const many = await Promise.all([0, 1, 2].map((at) => contoso.encrypt(String(at))));
  const together = (await Promise.all(many.map((one) => contoso.decrypt(one)))).map((one) => one.text());
  const only = ['email', 'note'];
  const row = await contoso.encryptFields({ id: 7, email: 'ann@example.org', note: null }, { only, context });
  const record = await contoso.decryptFields(row, { only, context });
  const large = (await contoso.decrypt(await contoso.encrypt(new Uint8Array(300_000)))).bytes.length;
  const refusal = await contoso.decrypt(sealed).catch(({ code, status }) => ({ code, status }));
  let local;
  try {
    new Vaultspan({ url, token: 't', local: true });
  } catch (error) {
    local = String(error);
  }
  await client.close();
  return { opened, together, record, large, refusal, local };
}

async function answer(request, response) {
  const { pathname } = new URL(request.url, origin);
  if (pathname.startsWith('/vaultspan/')) return forward(request, response, pathname.slice('/vaultspan'.length));
  if (pathname === '/') return void response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><link rel="icon" href="data:,"><title>page</title>');
  if (!/^\/client\/[\w/-]+\.js$/.test(pathname)) return void response.writeHead(404).end();
  response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(await readFile(new URL(pathname.slice('/client/'.length), dist)));
}

/** Sends a request on, with the token that only this server has. */
async function forward(request, response, path) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const answered = await fetch(service + path, {
    method: request.method,
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': request.headers['content-type'] ?? '' },
    body: Buffer.concat(chunks),
  });
  response.writeHead(answered.status, { 'Content-Type': answered.headers.get('Content-Type') ?? '' }).end(Buffer.from(await answered.arrayBuffer()));
}
