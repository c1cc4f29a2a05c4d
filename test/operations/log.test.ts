import { createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isSigned, parseCheckpoint } from '../../src/audit/receipts/checkpoint.ts';
import { newSecretKey } from '../../src/azure/home/home-keys.ts';
import { openHome } from '../../src/compose/home.ts';
import { openReceiptsKey } from '../../src/compose/receipts.ts';
import { leafOf, rootOfInclusion, rootsOfConsistency, treeHash } from '../support/merkle.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService({
    homeSecrets: { 'vaultspan-link-key': newSecretKey() },
    config: {
      onboarding: { url: 'https://keys.vendor.example' },
      audit: { database: true },
      receipts: { origin: 'vendor.example/vaultspan', checkpointSeconds: 1 },
      metrics: { enabled: true, port: 0 },
    },
    limits: { stranger: ['fabrikam'] },
  });
  await service.post('/tenants/fabrikam/encrypt', { plaintext: 'aGVsbG8=' }).expect(200);
  for (let n = 0; n < 3; n += 1) await encrypt();
  await until(async () => (await sizeNow()) >= 3, 'a checkpoint of three records');
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const encrypt = () => service.post('/tenants/contoso/encrypt', { plaintext: 'aGVsbG8=' }).expect(200);
const get = (path: string, token = service.token(), tenant = 'contoso') =>
  service
    .request()
    .get(`/tenants/${tenant}/log/${path}`)
    .set('Authorization', `Bearer ${token}`)
    .buffer(true)
    .parse((res, done) => {
      const parts: Buffer[] = [];
      res.on('data', (part: Buffer) => parts.push(part));
      res.on('end', () => done(null, Buffer.concat(parts)));
    });
const textOf = async (path: string): Promise<string> => String((await get(path).expect(200)).body);
const problemOf = async (path: string, token?: string, tenant?: string) => {
  const { status, body } = await get(path, token, tenant);
  return { status, ...JSON.parse(String(body)) };
};

async function sizeNow(): Promise<number> {
  const { status, body } = await get('checkpoint');
  return status === 200 ? (parseCheckpoint(String(body))?.size ?? 0) : 0;
}

/** Returns the parts of a text: its first line, the hashes, and the checkpoint. */
function partsOf(text: string) {
  const at = text.indexOf('\n\n');
  const lines = text.slice(0, at).split('\n');
  const hashes = lines.filter((line) => /^\S{43}=$/.test(line)).map((line) => Buffer.from(line, 'base64'));
  const checkpoint = parseCheckpoint(text.slice(at + 2));
  if (!checkpoint) throw new Error('no checkpoint');
  return { lines, hashes, ...checkpoint };
}

test('a checkpoint is signed in the home vault, by one call, and the entries lead to its root', async () => {
  const note = await textOf('checkpoint');
  const { size, root, origin } = parseCheckpoint(note) ?? { size: 0 };
  expect(origin).toBe('vendor.example/vaultspan/tenants/contoso');
  const entries = (await textOf(`entries/000.p/${size}`)).trimEnd().split('\n');
  expect(entries).toHaveLength(size);
  expect(treeHash(entries.map(leafOf))).toEqual(root);
  const stored = (await service.auditRecords()).filter(({ tenantId }) => tenantId === 'contoso');
  expect(entries.map((line) => JSON.parse(line))).toEqual(stored.slice(0, size));
  const key = await openReceiptsKey({ config: service.config, home: openHome(service.config) }).read();
  const publicKey = createPublicKey({ key: Buffer.from(key.publicKey), type: 'spki', format: 'der' });
  expect(isSigned(note, [publicKey])).toBe(true);
  expect(isSigned(note.replace('timestamp 2', 'timestamp 3'), [publicKey])).toBe(false);
  expect(service.vaultCalls('home').filter((call) => call === 'sign').length).toBeGreaterThan(0);
});

test('a tile has the hashes of the leaves, and a bundle the same entries as the lines', async () => {
  const lines = (await textOf('entries/000.p/3')).trimEnd().split('\n');
  const tile = (await get('tile/0/000.p/3').expect(200).expect('Content-Type', 'application/octet-stream')).body;
  expect(tile).toEqual(Buffer.concat(lines.map(leafOf)));
  const bundle = (await get('tile/entries/000.p/3').expect(200)).body;
  const prefixed = lines.map((line) => [Buffer.of(line.length >> 8, line.length & 255), Buffer.from(line)]);
  expect(bundle).toEqual(Buffer.concat(prefixed.flat()));
});

test('proofs lead to the root of their checkpoint: of an entry, and of an earlier size', async () => {
  const first = partsOf(await textOf('proof?sequence=1'));
  expect(first.lines.slice(0, 2)).toEqual(['c2sp.org/tlog-proof@v1', 'index 1']);
  const lines = (await textOf(`entries/000.p/${first.size}`)).trimEnd().split('\n');
  const leaves = lines.map(leafOf);
  expect(rootOfInclusion(leafOf(lines[1] ?? ''), 1, first.size, first.hashes)).toEqual(first.root);
  expect(rootOfInclusion(leafOf(lines[0] ?? ''), 1, first.size, first.hashes)).not.toEqual(first.root);
  const grown = partsOf(await textOf('proof?from=2'));
  expect(grown.lines[0]).toBe('old 2');
  const old = treeHash(leaves.slice(0, 2));
  expect(rootsOfConsistency(2, grown.size, old, grown.hashes)).toEqual([old, grown.root]);
});

describe('a request is refused', () => {
  test.each([
    ['for a tile beyond the checkpoint', 'tile/0/000.p/255', 404, 'log-not-found'],
    ['for a full tile that is partial yet', 'tile/0/000', 404, 'log-not-found'],
    ['for an entry beyond the checkpoint', 'proof?sequence=4000', 404, 'log-not-found'],
    ['for a size beyond the checkpoint', 'proof?from=4000', 404, 'log-not-found'],
    ['for an index of another form', 'tile/0/7', 400, 'malformed-request'],
    ['for a level of another form', 'tile/64/000', 400, 'malformed-request'],
    ['for a proof of nothing', 'proof', 400, 'malformed-request'],
    ['for a proof of two things', 'proof?sequence=0&from=0', 400, 'malformed-request'],
    ['for a number of another form', 'proof?sequence=01', 400, 'malformed-request'],
  ])('%s', async (_case, path, status, code) => {
    expect(await problemOf(path)).toMatchObject({ status, code });
  });

  test('without the role, for a tenant that the caller may not name, and for one without a log', async () => {
    const reader = await service.emulator.issueCallerToken({ roles: ['Tenants.Read'] });
    expect(await problemOf('checkpoint', reader)).toMatchObject({ status: 403, code: 'grant-missing' });
    const stranger = await service.emulator.issueCallerToken({ roles: ['Audit.Read'], claims: { azp: 'stranger' } });
    expect(await problemOf('checkpoint', stranger)).toMatchObject({ status: 404, code: 'tenant-not-found' });
    expect(await problemOf('checkpoint', undefined, 'nobody')).toMatchObject({ status: 404, code: 'tenant-not-found' });
    expect(await problemOf('checkpoint', undefined, 'adatum')).toMatchObject({ status: 404, code: 'log-not-found' });
  });
});

test('metrics count the entries and the checkpoints', async () => {
  const metrics = await (await fetch(service.metricsUrl)).text();
  expect(metrics).toMatch(/^vaultspan_log_entries_total [1-9]/m);
  expect(metrics).toMatch(/^vaultspan_log_checkpoints_total [1-9]/m);
  expect(metrics).toMatch(/^vaultspan_log_gaps_total 0$/m);
  expect(metrics).toMatch(/^vaultspan_log_refused 0$/m);
});

describe("the customer's page", () => {
  const linkOf = async (allow: readonly string[]): Promise<string> => {
    const { body } = await service.post('/tenants/contoso/onboarding-links', { allow }).expect(200);
    return new URL(body.url).pathname;
  };
  const proof = (page: string, query: string) => service.request().get(`${page}/proof?${query}`);

  test('gives proofs of an entry and of the growth to a link that may read records', async () => {
    const page = await linkOf(['records']);
    expect((await service.request().get(page)).text).toContain(`action="${page}/proof"`);
    for (const query of ['sequence=1', 'from=1']) {
      const { status, text, headers } = await proof(page, query);
      expect([status, headers['cache-control']]).toEqual([200, 'no-store']);
      expect(headers['content-disposition']).toMatch(
        /^attachment; filename="vaultspan-contoso-(entry|growth)-1\.txt"$/,
      );
      expect(partsOf(text).hashes.length).toBeGreaterThan(0);
    }
    expect((await service.auditRecords()).at(-1)).toMatchObject({
      operation: 'log-read',
      tenantId: 'contoso',
      principal: expect.stringMatching(/^link:/),
    });
  });

  test.each([
    '',
    'sequence=',
    'sequence=-1',
    'sequence=1.5',
    'sequence=9999999',
    'from=9999999',
    'sequence=1&from=1',
    'sequence=1&sequence=2',
    'sequence[a]=1',
  ])('refuses the proof of %j', async (query) => {
    const { status, text } = await proof(await linkOf(['records']), query);
    expect(status).toBe(404);
    expect(text).not.toContain('This link does not open');
  });

  test('gives none to a link without records', async () => {
    const page = await linkOf([]);
    expect((await service.request().get(page)).text).not.toContain('/proof"');
    const { status, text } = await proof(page, 'sequence=1');
    expect(status).toBe(404);
    expect(text).toContain('This link does not open');
  });
});
