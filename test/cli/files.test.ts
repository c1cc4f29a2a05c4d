import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { hangingService } from '../support/hanging-service.ts';
import { runCli } from '../support/run-cli.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

let service: TestService;
let cwd: string;
let env: Record<string, string>;
let other: Server | undefined;

beforeAll(async () => {
  service = await startService();
  env = { VAULTSPAN_URL: service.url, VAULTSPAN_TOKEN: service.token() };
});
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'vaultspan-files-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));
afterAll(async () => {
  other?.closeAllConnections();
  other?.close();
  await service[Symbol.asyncDispose]();
});

const PLAINTEXT = Buffer.alloc(2_500_000, randomBytes(4_099));
const FOR_CONTOSO = ['--tenant', 'contoso', '--context', 'file=scan'];

async function run(
  args: readonly string[],
  options: { readonly stdin?: Buffer | AsyncIterable<Buffer>; readonly isStderrTerminal?: boolean } = {},
) {
  const cli = runCli(args, { cwd, env, ...options });
  return { code: await cli.exitCode, out: cli.out(), err: cli.err(), bytes: cli.outBytes() };
}
const put = (name: string, bytes: Buffer) => writeFile(join(cwd, name), bytes);
const read = (name: string) => readFile(join(cwd, name));
const names = async () => (await readdir(cwd)).sort();

async function sealFile(): Promise<Buffer> {
  await put('scan', PLAINTEXT);
  expect(await run(['encrypt-file', 'scan', ...FOR_CONTOSO])).toEqual({
    code: 0,
    out: '',
    err: '',
    bytes: Buffer.alloc(0),
  });
  return read('scan.vspn');
}

describe('a file', () => {
  test('is encrypted next to itself and decrypted again, readable only by its owner', async () => {
    const sealed = await sealFile();
    expect(sealed.toString('latin1', 0, 6)).toBe('VSPN1\n');
    await rm(join(cwd, 'scan'));
    expect((await run(['decrypt-file', 'scan.vspn', ...FOR_CONTOSO])).code).toBe(0);
    expect((await read('scan')).equals(PLAINTEXT)).toBe(true);
    expect((await stat(join(cwd, 'scan'))).mode & 0o777).toBe(0o600);
    expect(await names()).toEqual(['scan', 'scan.vspn']);
  });

  test('goes from standard input to standard output, or to a named file', async () => {
    const sealed = await run(['encrypt-file', '-', ...FOR_CONTOSO], { stdin: Buffer.from('piped') });
    expect([sealed.code, sealed.err]).toEqual([0, '']);
    const opened = await run(['decrypt-file', '-', ...FOR_CONTOSO, '-o', 'opened'], { stdin: sealed.bytes });
    expect([opened.code, opened.bytes.length]).toEqual([0, 0]);
    expect((await read('opened')).toString()).toBe('piped');
  });

  test('without bytes goes both ways', async () => {
    await put('empty', Buffer.alloc(0));
    expect((await run(['encrypt-file', 'empty', ...FOR_CONTOSO])).code).toBe(0);
    expect((await run(['decrypt-file', 'empty.vspn', ...FOR_CONTOSO, '--force'])).code).toBe(0);
    expect(await read('empty')).toHaveLength(0);
  });

  test('shows its progress on a terminal', async () => {
    await put('scan', PLAINTEXT);
    const { code, err } = await run(['encrypt-file', 'scan', ...FOR_CONTOSO], { isStderrTerminal: true });
    expect(code).toBe(0);
    expect(err).toMatch(/█ 100 % {2}2\.4 MiB {2}\d+ MiB\/s/);
  });

  test('that exists already is replaced only with --force', async () => {
    await sealFile();
    await put('scan', Buffer.from('other'));
    const refused = await run(['decrypt-file', 'scan.vspn', ...FOR_CONTOSO]);
    expect([refused.code, (await read('scan')).toString()]).toEqual([2, 'other']);
    expect(refused.err).toContain('--force');
    expect((await run(['decrypt-file', 'scan.vspn', ...FOR_CONTOSO, '--force'])).code).toBe(0);
    expect((await read('scan')).equals(PLAINTEXT)).toBe(true);
  });
});

describe('no partial file is left', () => {
  test.each<[string, (sealed: Buffer) => Buffer, string]>([
    ['truncated in its last segment', (sealed) => sealed.subarray(0, -100), 'altered or is incomplete'],
    ['truncated in its first segment', (sealed) => sealed.subarray(0, 100_000), 'undecryptable'],
    ['with more at its end', (sealed) => Buffer.concat([sealed, Buffer.of(1)]), 'was truncated'],
    ['that is none of ours', () => Buffer.from('something else'), 'malformed-ciphertext'],
  ])('%s', async (_case, change, told) => {
    await put('changed.vspn', change(await sealFile()));
    const { code, err } = await run(['decrypt-file', 'changed.vspn', ...FOR_CONTOSO]);
    expect(code).toBe(1);
    expect(err).toContain(told);
    expect(await names()).toEqual(['changed.vspn', 'scan', 'scan.vspn']);
  });

  test('under another context, key or tenant, with its reason', async () => {
    await sealFile();
    const refusals = [
      await run(['decrypt-file', 'scan.vspn', '--tenant', 'contoso', '-o', 'out']),
      await run(['decrypt-file', 'scan.vspn', ...FOR_CONTOSO.with(1, 'fabrikam'), '-o', 'out']),
      await run(['encrypt-file', 'scan', ...FOR_CONTOSO, '--key', 'nope', '-o', 'out']),
      await run(['encrypt-file', 'scan', ...FOR_CONTOSO.with(1, 'northwind'), '-o', 'out']),
    ];
    const told = ['context-mismatch', 'wrong-tenant', 'unknown-key-alias', 'access-revoked, role-missing'];
    for (const [index, { code, err }] of refusals.entries()) {
      expect(code).toBe(1);
      expect(err).toContain(told[index]);
    }
    expect(refusals.at(-1)?.err).toContain('az role assignment create');
    expect(await names()).toEqual(['scan', 'scan.vspn']);
  });

  test('of which half was answered when the command was stopped', async () => {
    other = createServer((req, res) => {
      req.resume();
      res.writeHead(200, { 'Content-Length': 1_000 }).write('half');
    });
    await new Promise<void>((resolve) => other?.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    await put('scan', PLAINTEXT);
    const cli = runCli(['encrypt-file', 'scan', ...FOR_CONTOSO, '--url', url], { cwd, env });
    await until(async () => (await names()).length === 2, 'the part is there');
    cli.stop();
    expect(await cli.exitCode).toBe(1);
    expect(cli.err()).toBe('Stopped; nothing was written\n');
    expect(await names()).toEqual(['scan']);
  });
});

describe('input or output that is no regular file', () => {
  test('is read to its real end, whatever size it reports', async () => {
    expect((await stat('/proc/version')).size).toBe(0);
    expect((await run(['encrypt-file', '/proc/version', ...FOR_CONTOSO, '-o', 'version.vspn'])).code).toBe(0);
    expect((await run(['decrypt-file', 'version.vspn', ...FOR_CONTOSO])).code).toBe(0);
    expect(await read('version')).toEqual(await readFile('/proc/version'));
  });

  test('a FIFO is written to and stays one', async () => {
    execFileSync('sh', ['-c', 'mkfifo pipe'], { cwd });
    await put('scan', Buffer.from('through a pipe'));
    const reader = readFile(join(cwd, 'pipe'));
    expect(await run(['encrypt-file', 'scan', ...FOR_CONTOSO, '-o', 'pipe'])).toMatchObject({ code: 0, err: '' });
    expect((await reader).toString('latin1', 0, 6)).toBe('VSPN1\n');
    expect((await stat(join(cwd, 'pipe'))).isFIFO()).toBe(true);
  });

  test('a full device is reported as such and not blamed on the service', async () => {
    await put('scan', PLAINTEXT);
    const { code, err } = await run(['encrypt-file', 'scan', ...FOR_CONTOSO, '-o', '/dev/full']);
    expect([code, err]).toEqual([1, expect.stringContaining('ENOSPC')]);
    expect(err).not.toContain(service.url);
    expect((await stat('/dev/full')).isCharacterDevice()).toBe(true);
  });

  test('a dangling link is refused, and a link to a file stays a link', async () => {
    await put('scan', Buffer.from('linked'));
    await symlink('nowhere', join(cwd, 'dangling'));
    const refused = await run(['encrypt-file', 'scan', ...FOR_CONTOSO, '-o', 'dangling', '--force']);
    expect([refused.code, refused.err]).toEqual([
      2,
      expect.stringContaining('is a link to a file that does not exist'),
    ]);
    expect(await readlink(join(cwd, 'dangling'))).toBe('nowhere');
    await put('target', Buffer.from('old'));
    await symlink('target', join(cwd, 'link'));
    expect((await run(['encrypt-file', 'scan', ...FOR_CONTOSO, '-o', 'link', '--force'])).code).toBe(0);
    expect(await readlink(join(cwd, 'link'))).toBe('target');
    expect((await read('target')).toString('latin1', 0, 6)).toBe('VSPN1\n');
  });

  test('an unreachable service is reported with its address', async () => {
    await put('scan', Buffer.from('a'));
    const { code, err } = await run(['encrypt-file', 'scan', '--tenant', 'contoso', '--url', 'http://127.0.0.1:9']);
    expect([code, err]).toEqual([
      1,
      'No service listens at http://127.0.0.1:9 (ECONNREFUSED): check --url. Nothing was written\n',
    ]);
  });
});

describe('rewrap-file', () => {
  test('replaces the header of a file in place, and reports the key', async () => {
    const sealed = await sealFile();
    const moved = await run([
      'rewrap-file',
      'scan.vspn',
      ...FOR_CONTOSO,
      '--to-tenant',
      'fabrikam',
      '--key',
      'archive',
    ]);
    expect([moved.code, moved.err]).toEqual([0, '']);
    expect(moved.out).toMatch(/^https:\/\/.+\/keys\/archive\/[0-9a-f]{32}\n$/);
    const after = await read('scan.vspn');
    expect(after.subarray(-2_500_000).equals(sealed.subarray(-2_500_000))).toBe(true);
    const opened = await run(['decrypt-file', 'scan.vspn', ...FOR_CONTOSO.with(1, 'fabrikam'), '-o', 'opened']);
    expect(opened.code).toBe(0);
    expect((await read('opened')).equals(PLAINTEXT)).toBe(true);
    expect((await run(['decrypt-file', 'scan.vspn', ...FOR_CONTOSO, '-o', 'not'])).err).toContain('wrong-tenant');
  });

  test('does not change a file that it may not move', async () => {
    const sealed = await sealFile();
    const refused = await run(['rewrap-file', 'scan.vspn', '--tenant', 'contoso']);
    expect([refused.code, refused.out]).toEqual([1, '']);
    expect(refused.err).toContain('context-mismatch');
    expect((await run(['rewrap-file', 'scan', ...FOR_CONTOSO])).err).toContain('malformed-ciphertext');
    expect((await read('scan.vspn')).equals(sealed)).toBe(true);
    expect(await names()).toEqual(['scan', 'scan.vspn']);
  });
});

describe('called incorrectly', () => {
  test.each<[string, readonly string[]]>([
    ['no file', ['encrypt-file', '--tenant', 'contoso']],
    ['two files', ['encrypt-file', 'a', 'b', '--tenant', 'contoso']],
    ['no tenant', ['encrypt-file', 'a']],
    ['a context without a value', ['encrypt-file', 'a', '--tenant', 'contoso', '--context', 'a']],
    [
      'a context with a name twice',
      ['encrypt-file', 'a', '--tenant', 'contoso', '--context', 'a=1', '--context', 'a=2'],
    ],
    ['no name for the output', ['decrypt-file', 'a', '--tenant', 'contoso']],
    ['a key to decrypt with', ['decrypt-file', 'a.vspn', '--tenant', 'contoso', '--key', 'data']],
    ['its input for its output', ['encrypt-file', 'a', '--tenant', 'contoso', '-o', './a']],
    ['a URL that is none', ['encrypt-file', 'a', '--tenant', 'contoso', '--url', 'localhost:8080']],
    ['an empty token', ['encrypt-file', 'a', '--tenant', 'contoso', '--token', '']],
    ['standard input to rewrap', ['rewrap-file', '-', '--tenant', 'contoso']],
  ])('with %s: exit code 2 and the reason', async (_case, args) => {
    await put('a', Buffer.from('a'));
    await put('a.vspn', Buffer.from('a'));
    const { code, err } = await run(args);
    expect([code, err.includes('--help')]).toEqual([2, true]);
    expect(await names()).toEqual(['a', 'a.vspn']);
  });

  test('a missing file, or an unreachable service, is reported in one line', async () => {
    const absent = await run(['encrypt-file', 'absent', '--tenant', 'contoso']);
    expect([absent.code, absent.err.trim().split('\n').length]).toEqual([1, 1]);
    await put('a', Buffer.from('a'));
    const lost = await run(['encrypt-file', 'a', '--tenant', 'contoso', '-o', 'none/b']);
    expect([lost.code, lost.err.split('\n')[0]]).toEqual([2, expect.stringMatching(/^There is no folder \S*none: /)]);
    const unanswered = await run(['encrypt-file', 'a', '--tenant', 'contoso', '--url', 'http://127.0.0.1:9']);
    expect([unanswered.code, unanswered.err.trim().split('\n').length]).toEqual([1, 1]);
    expect(await names()).toEqual(['a']);
  });
});

describe('a service that hangs', () => {
  test.each(['no answer', 'half an answer'] as const)('and sent %s is not waited for', async (sent) => {
    await sealFile();
    await using hanging = await hangingService(sent);
    const before = await names();
    for (const [command, file] of [
      ['encrypt-file', 'scan'],
      ['decrypt-file', 'scan.vspn'],
      ['rewrap-file', 'scan.vspn'],
    ] as const) {
      const { code, err } = await run([
        command,
        file,
        ...FOR_CONTOSO,
        '--force',
        '--url',
        hanging.url,
        '--timeout',
        '1',
      ]);
      expect([code, err]).toEqual([1, `${hanging.url} sent and took nothing for 1 s. Nothing was written\n`]);
    }
    expect(await names()).toEqual(before);
  });

  test('is told from a source that is slow', async () => {
    async function* slowly() {
      yield Buffer.from('first ');
      await sleep(6_500);
      yield Buffer.from('second');
    }
    const sealed = await run(['encrypt-file', '-', ...FOR_CONTOSO, '--timeout', '5'], { stdin: slowly() });
    expect([sealed.code, sealed.err]).toEqual([0, '']);
    const opened = await run(['decrypt-file', '-', ...FOR_CONTOSO], { stdin: sealed.bytes });
    expect(opened.bytes.toString()).toBe('first second');
  });

  test.each(['0', '-1', '1.5', 'soon', '10000'])('is not waited for --timeout %s: called wrongly', async (timeout) => {
    const { code, err } = await run(['decrypt-file', 'x.vspn', ...FOR_CONTOSO, `--timeout=${timeout}`]);
    expect([code, err]).toEqual([2, expect.stringContaining(`between 1 and 9999, not ${timeout}`)]);
  });
});

describe('the options for whom and why', () => {
  test('reach the audit record, whatever their characters', async () => {
    await put('memo', Buffer.from('text'));
    const options = ['--access-subject', 'Jörg Müller', '--access-reason', '100% audit', '--access-label', 'a/b'];
    const sealed = await run(['encrypt-file', 'memo', '--tenant', 'contoso', ...options]);
    expect(sealed).toMatchObject({ code: 0, err: '' });
    expect(await run(['rewrap-file', 'memo.vspn', '--tenant', 'contoso', ...options])).toMatchObject({ code: 0 });
    const access = { subject: 'Jörg Müller', reason: '100% audit', label: 'a/b' };
    const records = (await service.auditRecords()).slice(-3);
    expect(records.map((record) => [record['operation'], record['access']])).toEqual([
      ['encrypt-stream', access],
      ['encrypt-stream', access],
      ['rewrap-stream', access],
    ]);
  });

  test.each([
    ['too long', 'ä'.repeat(43)],
    ['empty', ''],
    ['with a line feed', 'a\nb'],
  ])('that are %s are a mistake of usage', async (_what, text) => {
    await put('memo', Buffer.from('text'));
    const { code, err } = await run(['encrypt-file', 'memo', '--tenant', 'contoso', '--access-reason', text]);
    expect([code, err]).toEqual([2, expect.stringContaining('--access-reason must')]);
  });
});
