import { ConfigError } from '../config/load-config.ts';
import type { Config } from '../config/resolved.ts';
import { openDatabase, type SqlDatabase } from '../database/open-database.ts';
import { openHome } from './home.ts';
import { databaseMistake, namingSettings } from './setting-mistakes.ts';
import { databaseOptions } from './store.ts';

/**
 * Returns the result of work on the database of the audit records, which is closed after it.
 * @throws ConfigError when the records stay in files, or for a setting that cannot be used
 */
export async function withAuditDatabase<T>(config: Config, use: (database: SqlDatabase) => Promise<T>): Promise<T> {
  if (!config.audit.database) throw new ConfigError('The audit records are not in a database: see audit.database');
  const database = await openDatabase(databaseOptions(config, openHome(config)));
  try {
    return await namingSettings(() => use(database), databaseMistake(config));
  } finally {
    await database.close();
  }
}
