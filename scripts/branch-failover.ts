import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Client } from 'pg';
import { openProxy } from '../test/support/sql-proxy.ts';
import { startService } from '../test/support/start-service.ts';
import { until } from '../test/support/until.ts';

/**
 * Promotes an asynchronous replica that lags, and shows that no compact message is lost:
 * `scripts/postgres.sh node scripts/branch-failover.ts`. The primary is that script's server; the
 * replica is made from it. A branch key is made, and encrypts, after replication has stopped.
 */
const PROGRAMS = process.env['POSTGRES_BIN'] ?? '/usr/lib/postgresql/15/bin';
const PLAINTEXT = Buffer.from('a value').toString('base64');
const primary =
  new URL((process.env['TEST_DATABASE_URL'] ?? '').replace('@/', '@socket/')).searchParams.get('host') ?? '';
const replica = mkdtempSync(join(tmpdir(), 'vaultspan-replica.'));
const asPostgres = (program: string, ...args: string[]): string => {
  const command = [join(PROGRAMS, program), ...args];
  const [file = '', ...rest] = process.getuid?.() === 0 ? ['runuser', '-u', 'postgres', '--', ...command] : command;
  return execFileSync(file, rest, { cwd: '/', encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
};
const urlAt = (folder: string): string => `postgres://postgres@/postgres?host=${folder}`;

async function ask(folder: string, query: string): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: urlAt(folder) });
  await client.connect();
  try {
    return (await client.query(query)).rows;
  } finally {
    await client.end();
  }
}
const branches = (folder: string) => ask(folder, 'select tenant_id, id from keyring_keys order by tenant_id, id');

function check(isTrue: boolean, what: string): void {
  process.stdout.write(`${isTrue ? 'ok' : 'FAILED'}  ${what}\n`);
  if (!isTrue) process.exitCode = 1;
}

function startReplica(): void {
  if (process.getuid?.() === 0)
    chownSync(replica, Number(execFileSync('id', ['-u', 'postgres'], { encoding: 'utf8' })), -1);
  asPostgres('pg_basebackup', '-h', primary, '-U', 'postgres', '-D', join(replica, 'data'), '-R', '-X', 'stream');
  const options = `-k ${replica} -c listen_addresses='' -c fsync=off`;
  asPostgres('pg_ctl', '-D', join(replica, 'data'), '-l', join(replica, 'log'), '-o', options, '-w', 'start');
}

try {
  startReplica();
  await using proxy = await openProxy({ url: urlAt(primary) });
  await using service = await startService({ compact: 'enabled', config: { database: { url: proxy.url } } });
  const token = () => service.emulator.issueCallerToken({ roles: ['Data.Encrypt', 'Data.Decrypt'] });
  const encrypt = async (tenant: string): Promise<string> => {
    const { body } = await service.post(`/tenants/${tenant}/encrypt`, { plaintext: PLAINTEXT }, await token());
    return (body as { readonly ciphertext: string }).ciphertext;
  };
  const statusOf = async (tenant: string, ciphertext: string): Promise<number> =>
    (await service.post(`/tenants/${tenant}/decrypt`, { ciphertext }, await token())).status;

  const early = await encrypt('contoso');
  await until(async () => (await branches(replica)).length === 1, 'the replica has the first branch key');
  await ask(replica, "alter system set primary_conninfo = ''"); // it receives nothing from now on
  await ask(replica, 'select pg_reload_conf()');
  await until(async () => (await ask(replica, 'select 1 from pg_stat_wal_receiver')).length === 0);
  const late = await encrypt('fabrikam');
  check(late.startsWith('eyJhbGciOiJkaXIi'), 'a branch key made after replication stopped encrypts compact messages');
  check((await branches(primary)).length === 2 && (await branches(replica)).length === 1, 'the replica lacks it');

  proxy.turn('refusing');
  asPostgres('pg_ctl', '-D', join(primary, 'data'), '-m', 'immediate', 'stop');
  await ask(replica, 'select pg_promote(true, 20)');
  check((await branches(replica)).length === 1, 'the promoted replica still lacks it');
  proxy.retarget({ url: urlAt(replica) });
  proxy.turn('open');

  await until(async () => (await branches(replica)).length === 2, 'the process that holds the branch key puts it back');
  check(true, 'the process that holds the lost branch key puts it back');
  check(
    (await statusOf('contoso', early)) === 200 && (await statusOf('fabrikam', late)) === 200,
    'both messages decrypt',
  );
} finally {
  asPostgres('pg_ctl', '-D', join(replica, 'data'), '-m', 'immediate', 'stop');
  rmSync(replica, { recursive: true, force: true });
}
