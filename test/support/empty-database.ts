import { randomUUID } from 'node:crypto';
import process from 'node:process';
import { Client } from 'pg';

/** Returns an empty database on the server that scripts/postgres.sh has started. */
export async function emptyDatabase(): Promise<string> {
  const server = process.env['TEST_DATABASE_URL'];
  if (!server) throw new Error('Run this through scripts/postgres.sh');
  const name = `bench_${randomUUID().replaceAll('-', '')}`;
  const client = new Client({ connectionString: server });
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  return server.replace(/^(\w+:\/\/[^/]*\/)[^?]*/, `$1${name}`);
}
