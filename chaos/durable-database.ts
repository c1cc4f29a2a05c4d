import { Client } from 'pg';
import { emptyDatabase } from '../test/support/empty-database.ts';

/** An empty database that keeps what it has committed when its server is killed: the throw-away server gives that up for speed. */
export async function durableDatabase(): Promise<string> {
  const url = await emptyDatabase();
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(`alter database ${client.database} set synchronous_commit = on`);
  await client.end();
  return url;
}
