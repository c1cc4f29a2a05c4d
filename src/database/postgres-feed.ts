import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type ClientConfig } from 'pg';
import type { ChangeEvents, ChangeFeed, TenantChange } from './change-feed.ts';

export const CHANNEL = 'vaultspan_tenants';

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 5_000;
/** A connection that died without a word is found out by this. */
const HEARTBEAT_MS = 15_000;

export const encodeChange = ({ sequence, origin, tenantId }: TenantChange): string =>
  `${sequence} ${origin} ${tenantId}`;

function decodeChange(payload: string): TenantChange | undefined {
  const [, sequence, origin, tenantId] = /^(\d+) (\S+) (\S+)$/.exec(payload) ?? [];
  if (sequence === undefined || origin === undefined || tenantId === undefined) return undefined;
  return { sequence: Number(sequence), origin, tenantId };
}

/** `LISTEN` on a connection of its own, since it belongs to one session; lost, it is made again. */
export function listenToPostgres(connection: ClientConfig, events: ChangeEvents): ChangeFeed {
  const listener = new PostgresListener(connection, events);
  return { isConnected: () => listener.isConnected, close: () => listener.close() };
}

class PostgresListener {
  isConnected: boolean = false;
  readonly #connection: ClientConfig;
  readonly #events: ChangeEvents;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #client: Client | undefined;

  constructor(connection: ClientConfig, events: ChangeEvents) {
    this.#connection = connection;
    this.#events = events;
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#client?.end();
    await this.#running;
  }

  async #run(): Promise<void> {
    let delayMs = FIRST_DELAY_MS;
    do {
      const error = await this.#listenUntilLost();
      delayMs = this.isConnected ? FIRST_DELAY_MS : Math.min(delayMs * 2, LONGEST_DELAY_MS);
      this.isConnected = false;
      await this.#pause(error, delayMs);
    } while (!this.#closing.signal.aborted);
  }

  async #pause(error: Error, delayMs: number): Promise<void> {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    this.#events.lost(error);
    await sleep(delayMs * (0.5 + Math.random()), undefined, { ref: false, signal }).catch(() => undefined);
  }

  /** Why it ended. */
  async #listenUntilLost(): Promise<Error> {
    const client = new Client(this.#connection);
    this.#client = client;
    const lost = Promise.withResolvers<Error>();
    client.on('error', lost.resolve);
    client.on('end', () => lost.resolve(new Error('The connection for notifications was ended')));
    client.on('notification', ({ payload = '' }) => this.#hear(payload));
    const heartbeat = setInterval(() => {
      client.query('select 1').catch(lost.resolve);
    }, HEARTBEAT_MS).unref();
    try {
      const listening = client
        .connect()
        .then(() => client.query(`listen ${CHANNEL}`))
        .then(() => {
          this.isConnected = true;
          this.#events.connected();
          return lost.promise;
        });
      return await Promise.race([lost.promise, listening]); // ended while it connects, pg settles none of its promises
    } catch (error) {
      if (!Error.isError(error)) throw error;
      return error;
    } finally {
      clearInterval(heartbeat);
      await client.end().catch(() => undefined); // it is gone already, most likely
    }
  }

  #hear(payload: string): void {
    const change = decodeChange(payload);
    if (change) this.#events.changed(change);
    else this.#events.written(); // of a later version: look it up
  }
}
