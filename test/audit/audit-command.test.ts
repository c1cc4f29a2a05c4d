import { rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { expect, test } from '@jest/globals';
import { openFileSink } from '../../src/audit/chain/file-sink.ts';
import { auditCommand } from '../../src/cli/commands/audit.ts';
import { runCommand } from '../../src/cli/run-command.ts';
import { auditTable } from '../../src/database/tables/audit-table.ts';
import { eventOf, START, temporaryDirectory } from '../support/chains.ts';
import { noProcesses } from '../support/run-cli.ts';
import { newPostgres } from '../support/sql-databases.ts';

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(args: readonly string[], { cwd = '.', signal = new AbortController().signal } = {}): Promise<Run> {
  let out = '';
  let err = '';
  const code = await runCommand(['audit', ...args], {
    stdout: (text) => {
      out += text;
    },
    stderr: (text) => {
      err += text;
    },
    isStdoutTerminal: false,
    isStderrTerminal: false,
    stdin: () => Readable.from([]),
    stdoutBytes: () => new PassThrough(),
    env: {},
    memoryBytes: 4 * 1024 ** 3,
    cores: 1,
    ...noProcesses,
    setEnv: () => undefined,
    user: 'tester',
    cwd,
    onExit: () => () => undefined,
    signal,
    hurry: signal,
  });
  return { code, out, err };
}

/** A closed chain and one whose process still runs. */
async function twoChains() {
  const directory = await temporaryDirectory();
  const first = await openFileSink({ directory: directory.path, now: () => START });
  await Promise.all([0, 1, 2].map((n) => first.record(eventOf(n))));
  await first.close();
  const second = await openFileSink({ directory: directory.path, now: () => START + 1 });
  const [closed = '', running = ''] = await directory.files();
  return {
    path: directory.path,
    closed,
    running,
    read: directory.read,
    async [Symbol.asyncDispose]() {
      await second.close();
      await directory[Symbol.asyncDispose]();
    },
  };
}

test('a directory of valid chains: a line for each, a summary, exit 0', async () => {
  await using chains = await twoChains();
  expect(await run(['verify', chains.path])).toEqual({
    code: 0,
    out:
      `${chains.closed}: ok, 5 records, closed\n` +
      `${chains.running}: ok, 1 record, no close record: process killed or still running\n` +
      '2 chains, 6 records: all intact\n',
    err: '',
  });
});

test('a path is relative to the working directory, and may be one file', async () => {
  await using chains = await twoChains();
  const cwd = dirname(chains.path);
  const { code, out } = await run(['verify', join(basename(chains.path), chains.closed)], { cwd });
  expect([code, out]).toEqual([0, `${chains.closed}: ok, 5 records, closed\n1 chain, 5 records: all intact\n`]);
});

test('a changed record is named by file, line and sequence, exit 1', async () => {
  await using chains = await twoChains();
  const text = await chains.read(chains.closed);
  await writeFile(join(chains.path, chains.closed), text.replace('"bytes":1', '"bytes":9'));
  const { code, out } = await run(['verify', chains.path]);
  expect(code).toBe(1);
  expect(out).toContain(`${chains.closed}: BAD at line 3, sequence 2: the record was changed`);
  expect(out).toContain('(records before it: 2)\n');
  expect(out).toContain('2 chains, 3 records: 1 bad\n');
});

test('a torn line and a broken link are named, exit 1', async () => {
  await using chains = await twoChains();
  const text = await chains.read(chains.closed);
  await writeFile(join(chains.path, chains.closed), text.slice(0, -10));
  const { code, out } = await run(['verify', chains.path]);
  expect(code).toBe(1);
  expect(out).toContain(`${chains.closed}: BAD at line 5: the line is torn`);
  expect(out).toContain(`${chains.running}: BAD link to chain `);
  expect(out).toContain('2 bad\n');
});

test('--json prints the same for programs', async () => {
  await using chains = await twoChains();
  const good = await run(['verify', '--json', chains.path]);
  expect(good.code).toBe(0);
  expect(JSON.parse(good.out)).toMatchObject({
    ok: true,
    records: 6,
    chains: [
      { file: chains.closed, ok: true, records: 5, closed: true },
      { file: chains.running, ok: true, records: 1, closed: false },
    ],
  });
  await rm(join(chains.path, chains.closed));
  const bad = await run(['verify', '--json', chains.path]);
  expect(bad.code).toBe(1);
  expect(JSON.parse(bad.out)).toMatchObject({
    ok: false,
    chains: [{ ok: false, badLink: { problem: 'chain-missing' } }],
  });
});

const settings = (directory: string) => ({
  callers: [{ issuer: 'https://issuer.example', audience: ['api'] }],
  home: {
    tenantId: '3c1f5a52-11c4-4a6e-8f1e-0d9f3a2b7c01',
    appId: '3c1f5a52-11c4-4a6e-8f1e-0d9f3a2b7c02',
    vaultUrl: 'https://home.vault.azure.net',
  },
  registry: { file: 'tenants.yaml' },
  audit: { directory },
});

test('without PATH it checks the directory of the configuration', async () => {
  await using chains = await twoChains();
  await using home = await temporaryDirectory();
  const config = join(home.path, 'config.json');
  await writeFile(config, JSON.stringify(settings(chains.path)));
  const { out } = await run(['verify', '--config', config]);
  expect(out).toContain('2 chains');
});

test('without PATH and configuration it reports that, exit 2', async () => {
  await using home = await temporaryDirectory();
  const config = join(home.path, 'config.json');
  await writeFile(config, '{}');
  const { code, out, err } = await run(['verify', '--config', config]);
  expect([code, out]).toEqual([2, '']);
  expect(err).toContain(config);
});

test('moved files are checked together with the rest of their chains', async () => {
  await using chains = await twoChains();
  await using archive = await temporaryDirectory();
  await rename(join(chains.path, chains.closed), join(archive.path, chains.closed));
  expect(await run(['verify', chains.path])).toMatchObject({ code: 1, out: expect.stringContaining('BAD link') });
  expect(await run(['verify', archive.path, chains.path])).toMatchObject({
    code: 0,
    out: expect.stringContaining('2 chains, 6 records: all intact'),
  });
});

test('--database checks the records in PostgreSQL, and reports when there are none', async () => {
  await using postgres = await newPostgres();
  await using chains = await twoChains();
  await using home = await temporaryDirectory();
  const config = join(home.path, 'config.json');
  const url = 'url' in postgres.options ? postgres.options.url : '';
  await writeFile(config, JSON.stringify({ ...settings(chains.path), database: { url } }));
  const verify = () => run(['verify', '--database', '--config', config]);
  expect(await verify()).toMatchObject({ code: 1, out: 'the database: no audit chain found\n' });
  const table = auditTable(await postgres.open());
  const lines = (await chains.read(chains.closed)).trimEnd().split('\n');
  const rows = lines.map((line) => {
    const { chain, sequence, at } = JSON.parse(line);
    return { chain, sequence, at: Date.parse(at), tenantId: undefined, removes: undefined, line };
  });
  await table.add(rows);
  const { chain } = rows[0] ?? {};
  expect(await verify()).toMatchObject({
    code: 0,
    out: `${chain}: ok, 5 records, closed\n1 chain, 5 records: all intact\n`,
  });
  await (await postgres.open()).write((trx) => trx.deleteFrom('audit_records').where('sequence', '=', 2).execute());
  expect(await verify()).toMatchObject({
    code: 1,
    out: expect.stringContaining(`${chain}: BAD at line 3, sequence 3`),
  });
  await writeFile(config, JSON.stringify(settings(chains.path)));
  expect(await verify()).toMatchObject({ code: 2, err: expect.stringContaining('audit.database') });
});

test('nothing to check is a failure, not a success', async () => {
  await using directory = await temporaryDirectory();
  expect(await run(['verify', directory.path])).toMatchObject({
    code: 1,
    out: expect.stringContaining('no audit chain'),
  });
  expect(await run(['verify', join(directory.path, 'gone')])).toMatchObject({
    code: 1,
    err: expect.stringContaining('ENOENT'),
  });
});

test('an interrupted check exits 1', async () => {
  await using chains = await twoChains();
  const stopped = await run(['verify', chains.path], { signal: AbortSignal.abort() });
  expect(stopped).toMatchObject({ code: 1, out: '', err: expect.stringContaining('stopped') });
});

test.each([
  [[]],
  [['prune']],
  [['ship']],
  [['ship', '--all', '--database']],
  [['verify', '--all']],
  [['verify', '--fast']],
  [['verify', '--database', 'a']],
  [['verify', '--online', '--key', 'a']],
  [['verify', '--unkeyed-before', '2026-12-01T00:00:00Z']],
  [['verify', '--key', 'a', '--unkeyed-before', 'yesterday']],
])('%j is a usage error, exit 2', async (args) => {
  const { code, out, err } = await run(args);
  expect([code, out]).toEqual([2, '']);
  expect(err).toContain('Usage: vaultspan audit verify');
});

test('--help prints the usage, exit 0', async () => {
  expect(await run(['--help'])).toEqual({ code: 0, out: `${auditCommand.help.trim()}\n`, err: '' });
  expect(await run(['verify', '-h'])).toMatchObject({ code: 0 });
});
