import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseCheckpoint, publicKeysIn } from '../../src/audit/receipts/checkpoint.ts';
import { freePorts } from '../support/free-ports.ts';
import { type CliRun, runCli } from '../support/run-cli.ts';
import { until } from '../support/until.ts';

const ROOT = join(import.meta.dirname, '..', '..');

let folder: string;
let service: CliRun;
let url: string;
let token: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vaultspan-log-'));
  const first = await freePorts(8); // of the service, the control listener, Entra and five vaults
  url = `http://127.0.0.1:${first}`;
  service = runCli(['dev', '--port', `${first}`, '--emulator-port', `${first + 2}`, '--log-level', 'silent'], {
    cwd: folder,
  });
  await until(() => service.out().includes('Stop with Ctrl-C'), 'dev is ready');
  token = (await tools('token')).out.trim();
  for (let n = 0; n < 3; n += 1) await encrypt();
  await until(async () => ((await checkpoint())?.size ?? 0) >= 3, 'a checkpoint');
});
afterAll(async () => {
  service.stop();
  await service.exitCode;
  await rm(folder, { recursive: true, force: true });
});

async function tools(...command: string[]) {
  const run = runCli(command, { cwd: folder });
  return { exitCode: await run.exitCode, out: run.out(), err: run.err() };
}

const headers = () => ({ 'Content-Type': 'application/json', Authorization: `Bearer ${token}` });

async function encrypt(): Promise<void> {
  const body = '{"plaintext":"aGVsbG8="}';
  const { status } = await fetch(`${url}/tenants/contoso/encrypt`, { method: 'POST', headers: headers(), body });
  expect(status).toBe(200);
}

async function checkpoint() {
  const answer = await fetch(`${url}/tenants/contoso/log/checkpoint`, { headers: headers() });
  return answer.status === 200 ? parseCheckpoint(await answer.text()) : undefined;
}

test('the welcome of dev shows the checkpoint and a proof', async () => {
  expect(service.out()).toContain(`curl -s ${url}/tenants/contoso/log/checkpoint`);
  const proof = await fetch(`${url}/tenants/contoso/log/proof?sequence=0`, { headers: headers() });
  expect(await proof.text()).toMatch(/^c2sp\.org\/tlog-proof@v1\nindex 0\n/);
});

test('dev has reasons in records, a doorbell, and the SIEM among the tasks of the customer', async () => {
  expect(service.out()).toContain("-H 'Access-Reason: ticket-4711'");
  expect(service.out()).toContain(`curl -s -X POST ${url}/doorbell/$(npx vaultspan bell show contoso)`);
  const claimed = { ...headers(), 'Access-Subject': 'ann@example.org', 'Access-Reason': 'ticket-4711' };
  const body = '{"plaintext":"aGVsbG8="}';
  await fetch(`${url}/tenants/contoso/encrypt`, { method: 'POST', headers: claimed, body });
  const recordsOf = async () => (await fetch(`${url}/tenants/contoso/audit`, { headers: headers() })).text();
  await until(async () => (await recordsOf()).includes('ticket-4711'), 'the record has the reason');

  const bell = (await tools('bell', 'show', 'contoso')).out.trim();
  expect((await fetch(`${url}/doorbell/${bell}`, { method: 'POST' })).status).toBe(202);
  const ring = /"operation":"doorbell","outcome":"succeeded"/;
  await until(async () => ring.test(await recordsOf()), 'the ring is recorded');

  const { steps, doorbell, revokeScript } = JSON.parse((await tools('onboard', 'contoso', '--json')).out);
  expect([doorbell.ring, revokeScript]).toEqual(Array(2).fill(expect.stringContaining(`${url}/doorbell/${bell}`)));
  const siem = steps.find(({ check }: { readonly check: string }) => check === 'siem');
  expect(siem.commands).toEqual([
    expect.stringContaining("kind: 'Direct'"),
    expect.stringMatching(/^az deployment group create .*--template-file vaultspan-siem.bicep/),
  ]);
});

test('the key is printed, and as a verifier key for a tenant', async () => {
  const { exitCode, out } = await tools('log', 'key', 'contoso');
  expect(exitCode).toBe(0);
  expect(publicKeysIn(out)).toHaveLength(1);
  expect(out).toMatch(/^localhost\/vaultspan\/tenants\/contoso\+[0-9a-f]{8}\+AjB\S+$/m);
});

test("an export verifies by the command, and by the customer's script with a kept checkpoint", async () => {
  await writeFile(join(folder, 'key.pem'), (await tools('log', 'key')).out);
  const first = await tools('log', 'export', 'contoso', '--to', 'first');
  expect(first).toEqual({ exitCode: 0, out: expect.stringMatching(/first: \d+ entries\n$/), err: '' });
  const kept = (await checkpoint())?.size ?? 0;
  await encrypt();
  await until(async () => ((await checkpoint())?.size ?? 0) > kept, 'a later checkpoint');
  expect((await tools('log', 'export', 'contoso', '--to', 'second')).exitCode).toBe(0);

  const verify = ['log', 'verify', '--export', 'second', '--key', 'key.pem', '--since', 'first/checkpoint'];
  expect(await tools(...verify)).toEqual({
    exitCode: 0,
    out: expect.stringMatching(
      /^localhost\/vaultspan\/tenants\/contoso: \d+ entries at \S+, complete and unchanged\n$/,
    ),
    err: '',
  });
  expect(JSON.parse((await tools(...verify, '--json')).out)).toMatchObject({ ok: true, lost: 0, problems: [] });
  const back = ['log', 'verify', '--export', 'first', '--key', 'key.pem', '--since', 'second/checkpoint'];
  const { exitCode, out } = await tools(...back);
  expect([exitCode, out]).toEqual([1, expect.stringContaining('newer checkpoints are withheld')]);

  const python = (await promisify(execFile)('scripts/python-venv.sh', { cwd: ROOT })).stdout.trim();
  const at = (name: string) => join(folder, name);
  const args = ['docs/verify_log.py', at('second'), at('key.pem'), '--since', at('first/checkpoint')];
  expect((await promisify(execFile)(python, args, { cwd: ROOT })).stdout).toContain('complete and unchanged');
}, 240_000);

describe('it is refused', () => {
  test.each([
    ['without a verb', ['log']],
    ['with an unknown one', ['log', 'list']],
    ['an export without a tenant', ['log', 'export', '--to', 'x']],
    ['an export without a folder', ['log', 'export', 'contoso']],
    ['a verification without a key', ['log', 'verify', '--export', 'x']],
    ['a verification with a key that is none', ['log', 'verify', '--export', 'x', '--key', '.vaultspan/config.yaml']],
    ['a verification with a key that is not there', ['log', 'verify', '--export', 'x', '--key', 'nowhere']],
    ['a restart that is not confirmed', ['log', 'restart']],
  ])('%s', async (_case, command) => {
    const { exitCode, err } = await tools(...command);
    expect([exitCode, err]).toEqual([2, expect.stringMatching(/\S/)]);
  });

  test('an export of an unknown tenant, of one without a checkpoint, and to a folder in use', async () => {
    expect((await tools('log', 'export', 'nobody', '--to', 'nobody')).exitCode).toBe(1);
    const { exitCode, err } = await tools('log', 'export', 'adatum', '--to', 'adatum');
    expect([exitCode, err]).toEqual([1, expect.stringContaining('has no checkpoint yet')]);
    await mkdir(join(folder, 'used'));
    await writeFile(join(folder, 'used', 'file'), '');
    expect((await tools('log', 'export', 'contoso', '--to', 'used')).err).toContain('is not empty');
    expect(await readdir(join(folder, 'used'))).toEqual(['file']);
    expect((await tools('log', 'verify', '--export', 'used', '--key', 'key.pem')).err).toContain('ENOENT');
  });
});

test('a restart continues the log under the next origin, which is recorded', async () => {
  const before = await checkpoint();
  expect(await tools('log', 'restart', '--yes')).toMatchObject({ exitCode: 0, err: '' });
  await until(async () => (await checkpoint())?.origin !== before?.origin, 'the next origin');
  expect(await checkpoint()).toMatchObject({ origin: 'localhost/vaultspan/tenants/contoso/2' });
  const names = await readdir(join(folder, '.vaultspan', 'audit'));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, '.vaultspan', 'audit', name), 'utf8')));
  expect(texts.join('')).toContain('"operation":"log-restart","outcome":"succeeded"');
});

test('usage prints what tenants used, as a table, CSV or JSON, and refuses what it cannot sum up', async () => {
  const rows = async (...more: string[]) =>
    (await tools('usage', '--tenant', 'contoso', ...more)).out.trim().split('\n');
  await until(async () => Number(JSON.parse((await rows('--json'))[0] ?? '{}').operations) >= 3, 'the sums');
  const [json = ''] = await rows('--json');
  const { operations, bytes } = JSON.parse(json);
  expect(bytes).toBe(5 * operations);
  const [heading = '', line = ''] = await rows();
  expect(heading.trim().split(/ +/)).toEqual([
    ...'operations failures bytes vaultCalls leases leasedMessages of'.split(' '),
  ]);
  expect(line.trim().split(/ +/)).toEqual([`${operations}`, '0', `${bytes}`, expect.any(String), '0', '0', 'contoso']);
  const csv = await rows('--csv', '--by', 'day');
  expect(csv[0]?.trim()).toBe('tenantId,start,operations,failures,bytes,vaultCalls,leases,leasedMessages');
  expect(csv[1]).toMatch(/^contoso,\d{4}-\d\d-\d\dT00:00:00.000Z,\d+,0,/);
  expect(await tools('usage', '--by', 'day')).toMatchObject({ exitCode: 2, err: expect.stringContaining('--tenant') });
  expect(await tools('usage', '--by', 'week')).toMatchObject({ exitCode: 2 });
  expect(await tools('usage', '--from', 'monday')).toMatchObject({ exitCode: 2 });
  expect(await tools('usage', '--from', '2026-11-01T00:30:00Z')).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining('from must be a full hour'),
  });
});
