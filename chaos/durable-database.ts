import { Client } from 'pg';
import { emptyDatabase } from '../test/support/empty-database.ts';

/**
 * Returns an empty database that keeps committed data when its server is killed: the test server
 * gives that up for speed.
 */
export async function durableDatabase(): Promise<string> {
  const url = await emptyDatabase();
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(`alter database ${client.database} set synchronous_commit = on`);
  await client.end();
  return url;
}
