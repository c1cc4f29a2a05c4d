import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createCa, createLeaf } from '../../src/emulator/x509/certificates.ts';
import { freePorts } from '../support/free-ports.ts';
import { refusingServer } from '../support/refusing-postgres.ts';
import { runCli } from '../support/run-cli.ts';

const GUID = '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3';
const SETTINGS = {
  callers: [{ issuer: 'https://issuer.example/', audience: ['api'] }],
  home: { tenantId: GUID, appId: GUID, vaultUrl: 'https://home-kv.vault.azure.net' },
};

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vaultspan-mistakes-'));
});
afterEach(async () => {
  await chmod(folder, 0o700);
  await rm(folder, { recursive: true, force: true });
});

async function run(args: readonly string[], settings: object, env: Record<string, string> = {}) {
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...SETTINGS, ...settings }));
  const cli = runCli([...args, '--config', 'config.json'], { cwd: folder, env });
  return { code: await cli.exitCode, out: cli.out(), err: cli.err() };
}

describe("an operator's mistake is one line with the setting and the fix, and exit code 2", () => {
  test.each([
    ['28P01', /^database\.url: 127\.0\.0\.1:\d+ rejects the password of user ann: correct the password$/],
    ['28000', /^database\.url: 127\.0\.0\.1:\d+ refuses user ann: check the role and pg_hba\.conf$/],
    ['08P01', /^database\.url: 127\.0\.0\.1:\d+ rejects a connection parameter, .*options.*database\.directUrl$/],
    ['3D000', /^database\.url: 127\.0\.0\.1:\d+ has no database tenants: create it, or use another$/],
    ['42501', /^database\.url: user ann lacks a privilege in tenants: grant it, or migrate as the owner$/],
  ])('PostgreSQL that answers %s', async (code, told) => {
    await using server = await refusingServer(code);
    const database = { url: `postgres://ann:s3cret@127.0.0.1:${server.port}/tenants` };
    for (const command of [['migrate'], ['tenants', 'list']]) {
      const { code: exitCode, err } = await run(command, { database });
      const lines = err.trim().split('\n');
      expect([exitCode, lines.length]).toEqual([2, 1]);
      expect(lines[0]?.replace('A setting of the configuration cannot be used: ', '')).toMatch(told);
      expect(err).not.toContain('s3cret');
    }
  });

  test('PostgreSQL whose certificate nobody vouches for, a wrong password and an absent database are told apart', async () => {
    const ca = await createCa();
    await writeFile(join(folder, 'ca.pem'), ca.certPem);
    await using wrongPassword = await refusingServer('28P01', await createLeaf(ca));
    await using absentDatabase = await refusingServer('3D000', await createLeaf(ca));
    const migrate = async (port: number, caFile?: string) => {
      const url = `postgres://ann:s3cret@localhost:${port}/tenants?sslmode=verify-full`;
      const { code, err } = await run(['migrate'], { database: { url, caFile } });
      expect(err).not.toContain('s3cret');
      return [code, err.replace('A setting of the configuration cannot be used: ', '')];
    };
    const untrusted =
      /^database\.caFile: the certificate of localhost:\d+ is not trusted \([A-Z_]+\): set this to .*\n$/;
    for (const { port } of [wrongPassword, absentDatabase]) {
      expect(await migrate(port)).toEqual([2, expect.stringMatching(untrusted)]);
    }
    expect(await migrate(wrongPassword.port, 'ca.pem')).toEqual([
      2,
      `database.url: localhost:${wrongPassword.port} rejects the password of user ann: correct the password\n`,
    ]);
    expect(await migrate(absentDatabase.port, 'ca.pem')).toEqual([
      2,
      `database.url: localhost:${absentDatabase.port} has no database tenants: create it, or use another\n`,
    ]);
  });

  test('a database that the real PostgreSQL does not have', async () => {
    const url = (process.env['TEST_DATABASE_URL'] ?? '').replace(/^(\w+:\/\/[^/]*\/)[^?]*/, '$1absent');
    for (const args of [['migrate'], ['tenants', 'list']]) {
      const { code, err } = await run(args, { database: { url } });
      expect([code, err]).toEqual([2, expect.stringMatching(/ has no database absent: create it, or use another\n$/)]);
    }
  });

  test('a server without TLS', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined).once('data', () => socket.end('N')));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const { code, err } = await run(['migrate'], {
      database: { url: `postgres://ann@127.0.0.1:${port}/tenants`, tls: 'require' },
    });
    server.close();
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/: database\.tls: 127\.0\.0\.1:\d+ does not support TLS: .*\n$/),
    ]);
  });

  test('a database whose path is below a file, or that is no SQLite file', async () => {
    await writeFile(join(folder, 'file'), 'x'.repeat(5_000));
    const below = await run(['tenants', 'list'], { database: { file: 'file/vaultspan.db' } });
    expect([below.code, below.err]).toEqual([
      2,
      `A setting of the configuration cannot be used: database.file: ${folder}/file/vaultspan.db is below a file: correct the path\n`,
    ]);
    const other = await run(['tenants', 'list'], { database: { file: 'file' } });
    expect([other.code, other.err]).toEqual([
      2,
      `A setting of the configuration cannot be used: database.file: ${folder}/file is not an SQLite database: use another file\n`,
    ]);
    const isFolder = await run(['migrate'], { database: { file: '.' } });
    expect([isFolder.code, isFolder.err]).toEqual([
      2,
      expect.stringMatching(/: database\.file: .* is a folder: use a file/),
    ]);
  });

  test('a schema of another version, or one that was not migrated', async () => {
    const database = { file: 'v.db', migrate: 'by-command' };
    const behind = await run(['tenants', 'list'], { database });
    expect([behind.code, behind.err]).toEqual([
      2,
      expect.stringMatching(/: database\.file: .* run vaultspan migrate\n$/),
    ]);
    expect((await run(['migrate'], { database })).code).toBe(0);
    expect((await run(['tenants', 'list'], { database })).code).toBe(0);
    const db = new DatabaseSync(join(folder, 'v.db'));
    db.exec('update schema_migrations set version = 9999 where version = (select max(version) from schema_migrations)');
    db.close();
    const ahead = await run(['tenants', 'list'], { database });
    expect([ahead.code, ahead.err]).toEqual([
      2,
      expect.stringMatching(/: database\.file: The database has schema 9999/),
    ]);
  });

  test('an audit folder that is a file, and a list of tenants that does not exist', async () => {
    await mkdir(join(folder, 'a'));
    await writeFile(join(folder, 'audit'), '');
    const audit = await run(['tenants', 'list'], {});
    expect([audit.code, audit.err]).toEqual([
      2,
      expect.stringMatching(/: audit\.directory: \S+ is below a file: correct the path\n$/),
    ]);
    const list = await run(['tenants', 'list'], { registry: { file: 'none.yaml' }, audit: { directory: 'a' } });
    expect([list.code, list.err]).toEqual([
      2,
      `A setting of the configuration cannot be used: registry.file: ${folder}/none.yaml does not exist: correct the path\n`,
    ]);
  });

  test.each([
    ['UTF-16', Buffer.from('\ufefftenants: []\n', 'utf16le'), 'is UTF-16 or binary: save it as UTF-8 text'],
    [
      'CSV',
      Buffer.from('id,vault\na,b\n'),
      'must be YAML or JSON such as "tenants: [{id: contoso, …}]", but is plain text',
    ],
    ['a list', Buffer.from('- id: a\n'), 'must be YAML or JSON such as "tenants: [{id: contoso, …}]", but is a list'],
    ['empty', Buffer.from(''), '/tenants: is required'],
    [
      'with a name twice',
      Buffer.from('tenants: []\ntenants: []\n'),
      'line 2, column 1: this name occurs twice in its section',
    ],
  ])('a list of tenants that is %s', async (_what, bytes, problem) => {
    await writeFile(join(folder, 'tenants.yaml'), bytes);
    const refused = { code: 2, out: '', err: `The tenants are not usable: ${folder}/tenants.yaml: ${problem}\n` };
    expect(await run(['tenants', 'import', 'tenants.yaml'], {})).toEqual(refused);
    const registry = { file: 'tenants.yaml' };
    expect(await run(['tenants', 'list'], { registry })).toEqual(refused);
    expect((await run(['check-config'], { registry })).err).toBe(refused.err);
  });

  test('a list of tenants with unknown members', async () => {
    await writeFile(join(folder, 'tenants.yaml'), 'tenants: [{id: a, colour: red}]');
    const { code, err } = await run(['tenants', 'import', 'tenants.yaml'], {});
    expect([code, err.includes('/tenants/0/colour: is unknown'), err.includes('/tenants/0/keys: is required')]).toEqual(
      [2, true, true],
    );
  });

  test('a file of the audit key that does not exist, or holds no key', async () => {
    for (const [name, problem] of [
      ['none', 'does not exist'],
      ['config.json', 'each line must be 32 bytes in base64url'],
    ]) {
      const { code, err } = await run(['audit', 'verify', '--key', String(name)], {});
      expect([code, err]).toEqual([2, `The audit key is not usable: ${folder}/${name}: ${problem}\n`]);
    }
  });

  test('a file of callers that is no YAML', async () => {
    await writeFile(join(folder, 'callers.yaml'), 'a: [');
    const cli = runCli(['token', '--callers', 'callers.yaml'], { cwd: folder });
    expect([await cli.exitCode, cli.err()]).toEqual([
      2,
      `Invalid callers file: ${folder}/callers.yaml: line 1, column 5: is neither YAML nor JSON (BAD_INDENT)\n`,
    ]);
  });

  test('a variable that is no setting: a warning, and in check-config an error', async () => {
    const env = { VAULTSPAN_HTTP_PROT: 's3cret' };
    const told = 'VAULTSPAN_HTTP_PROT is not a setting; did you mean VAULTSPAN_HTTP_PORT?\n';
    const list = await run(['tenants', 'list'], {}, env);
    expect([list.code, list.err]).toEqual([0, `warning: ${told}`]);
    const check = await run(['check-config'], {}, env);
    expect([check.code, check.err]).toEqual([2, `Invalid configuration: ${folder}/config.json: ${told}`]);
    expect((await run(['check-config'], {})).code).toBe(0);
  });
});

describe('an address that can’t be listened on is one line with the setting, and exit code 2', () => {
  /** Of the service, the control listener, Entra and five vaults. */
  const PORTS = 8;
  const ELSEWHERE = '192.0.2.1'; // RFC 5737: no machine has it
  let taken: Server;
  let args: readonly string[];
  let home: string;
  beforeAll(async () => {
    taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const first = await freePorts(PORTS);
    args = ['dev', '--port', `${first}`, '--emulator-port', `${first + 2}`, '--log-level', 'silent'];
    home = await mkdtemp(join(tmpdir(), 'vaultspan-mistakes-'));
  });
  afterAll(async () => {
    taken.close();
    await rm(home, { recursive: true, force: true });
  });
  const takenPort = () => (taken.address() as AddressInfo).port;

  test('http.port that is in use', async () => {
    const cli = runCli(args.with(2, `${takenPort()}`), { cwd: home });
    expect([await cli.exitCode, cli.out()]).toEqual([2, '']);
    expect(cli.err()).toBe(
      `A setting of the configuration cannot be used: http.port: 127.0.0.1:${takenPort()} is in use: stop the other process, or choose another port\n`,
    );
  });

  test.each<[string, () => Record<string, string>, RegExp]>([
    [
      'http.host that is not this machine’s',
      () => ({ VAULTSPAN_HTTP_HOST: ELSEWHERE, VAULTSPAN_HTTP_TLS: 'terminated-upstream' }),
      /: http\.host: this machine has no address 192\.0\.2\.1: use one of its addresses, or 0\.0\.0\.0 for all\n$/,
    ],
    [
      'metrics.port that is in use',
      () => ({ VAULTSPAN_METRICS_ENABLED: 'true', VAULTSPAN_METRICS_PORT: `${takenPort()}` }),
      /: metrics\.port: 127\.0\.0\.1:\d+ is in use: stop the other process, or choose another port\n$/,
    ],
    [
      'metrics.host that is not this machine’s',
      () => ({ VAULTSPAN_METRICS_ENABLED: 'true', VAULTSPAN_METRICS_HOST: ELSEWHERE }),
      /: metrics\.host: this machine has no address 192\.0\.2\.1: use one of its addresses, or 0\.0\.0\.0 for all\n$/,
    ],
  ])('%s', async (_case, env, told) => {
    const cli = runCli(args, { cwd: home, env: env() });
    expect([await cli.exitCode, cli.out(), cli.err().split('\n').length]).toEqual([2, '', 2]);
    expect(cli.err()).toMatch(told);
  });
});

describe('the command line', () => {
  test.each([
    [['serv'], 'there is no command serv; did you mean serve? Try vaultspan --help'],
    [['help', 'tenant'], 'there is no command tenant; did you mean tenants? Try vaultspan --help'],
    [['serve', '--conifg', 'x'], 'Unknown option --conifg; did you mean --config?'],
    [['tenants', 'lsit'], 'Unknown action lsit; did you mean list?'],
    [['init', 'now'], 'Unexpected argument now'],
    [
      ['dev', '--log-level', 'wran'],
      '--log-level must be one of trace, debug, info, warn, error, fatal, silent, not wran; did you mean warn?',
    ],
    [['dev', '--port', '0', '--reset'], '--port must be a port between 1 and 65000, not 0'],
  ])('%j: suggests the intended word, and starts nothing', async (args, told) => {
    await mkdir(join(folder, '.vaultspan'));
    await writeFile(join(folder, '.vaultspan', 'emulator.json'), '{}');
    const cli = runCli(args, { cwd: folder });
    expect([await cli.exitCode, cli.out()]).toEqual([2, '']);
    expect(cli.err()).toContain(told);
    await expect(rm(join(folder, '.vaultspan', 'emulator.json'))).resolves.toBeUndefined(); // --reset has not begun
  });

  test('prints its version, and the help of a command by either name', async () => {
    const { version } = (await import('../../package.json', { with: { type: 'json' } })).default;
    for (const word of ['--version', '-V', 'version']) {
      const cli = runCli([word], { cwd: folder });
      expect([await cli.exitCode, cli.out()]).toEqual([0, `${version}\n`]);
    }
    const [one, other] = [runCli(['help', 'serve'], { cwd: folder }), runCli(['serve', '--help'], { cwd: folder })];
    expect([await one.exitCode, await other.exitCode]).toEqual([0, 0]);
    expect(one.out()).toBe(other.out());
  });
});
