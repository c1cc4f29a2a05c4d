import { type Kysely, sql } from 'kysely';
import type { ChangeEvents, ChangeFeed } from './change-feed.ts';
import type { Schema } from './schema.ts';

const POLL_MS = 250;

/**
 * Returns a feed that polls `pragma data_version` (a few microseconds). It changes with every
 * commit of another connection, never with one of our own.
 */
export function watchSqlite(db: Kysely<Schema>, events: ChangeEvents): ChangeFeed {
  let seen: number | undefined;
  let polling: Promise<void> | undefined;
  let isConnected = false;

  const poll = async () => {
    try {
      const { rows } = await sql<{ data_version: number }>`pragma data_version`.execute(db);
      const version = rows[0]?.data_version;
      if (!isConnected) events.connected();
      else if (version !== seen) events.written();
      isConnected = true;
      seen = version;
    } catch (error) {
      if (!Error.isError(error)) throw error;
      if (isConnected) events.lost(error);
      isConnected = false;
    }
  };
  const pollOnce = () => {
    polling ??= poll().finally(() => {
      polling = undefined;
    });
  };
  pollOnce();
  const timer = setInterval(pollOnce, POLL_MS).unref();
  return {
    close: async () => {
      clearInterval(timer);
      await polling;
    },
  };
}
