import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type ClientConfig } from 'pg';
import { backOff, jittered, retry } from '../lib/retry.ts';
import type { ChangeChannel, ChangeEvents, ChangeFeed, TenantChange } from './change-feed.ts';

export const channelName = (channel: ChangeChannel): string => `vaultspan_${channel}`;

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 5_000;
/** The heartbeat finds a connection that died silently. */
const HEARTBEAT_MS = 15_000;

export const encodeChange = ({ sequence, origin, tenantId }: TenantChange): string =>
  `${sequence} ${origin} ${tenantId}`;

function decodeChange(payload: string): TenantChange | undefined {
  const [, sequence, origin, tenantId] = /^(\d+) (\S+) (\S+)$/.exec(payload) ?? [];
  if (sequence === undefined || origin === undefined || tenantId === undefined) return undefined;
  return { sequence: Number(sequence), origin, tenantId };
}

/**
 * Listens on a connection of its own, since `LISTEN` belongs to one session. A lost connection is
 * opened again.
 */
export function listenToPostgres(connection: ClientConfig, channel: ChangeChannel, events: ChangeEvents): ChangeFeed {
  const listener = new PostgresListener(connection, channel, events);
  return { close: () => listener.close() };
}

interface Listening {
  /** Resolves with the reason when the connection ends. */
  readonly lost: Promise<Error>;
}

class PostgresListener {
  readonly #connection: ClientConfig;
  readonly #channel: ChangeChannel;
  readonly #events: ChangeEvents;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #client: Client | undefined;

  constructor(connection: ClientConfig, channel: ChangeChannel, events: ChangeEvents) {
    this.#connection = connection;
    this.#channel = channel;
    this.#events = events;
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#client?.end();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const pausesMs = backOff({ firstMs: FIRST_DELAY_MS, longestMs: LONGEST_DELAY_MS });
      const listening = await retry(() => this.#listen(), { pausesMs, signal }).catch(() => undefined);
      if (!listening) return; // closed while unreachable: nothing else ends the pauses
      this.#tellLost(await listening.lost);
      await sleep(jittered(FIRST_DELAY_MS), undefined, { ref: false, signal }).catch(() => undefined);
    }
  }

  /**
   * Returns once notifications arrive.
   * @throws Error, which `lost` has already received
   */
  async #listen(): Promise<Listening> {
    const client = new Client(this.#connection);
    this.#client = client;
    const lost = Promise.withResolvers<Error>();
    client.on('error', lost.resolve);
    client.on('end', () => lost.resolve(new Error('The connection for notifications was ended')));
    client.on('notification', ({ payload = '' }) => this.#hear(payload));
    const heartbeat = setInterval(() => {
      client.query('select 1').catch(lost.resolve);
    }, HEARTBEAT_MS).unref();
    const ended = endAfter(lost.promise, client, heartbeat);
    const failed = lost.promise.then((error) => Promise.reject(error));
    failed.catch(() => undefined);
    const connecting = client.connect().then(() => client.query(`listen ${channelName(this.#channel)}`));
    connecting.catch(lost.resolve);
    try {
      await Promise.race([failed, connecting]); // pg settles none of its promises when it is ended while it connects
    } catch (error) {
      if (!Error.isError(error)) throw error;
      await ended;
      this.#tellLost(error);
      throw error;
    }
    this.#events.connected();
    return { lost: ended };
  }

  #tellLost(error: Error): void {
    if (!this.#closing.signal.aborted) this.#events.lost(error);
  }

  #hear(payload: string): void {
    const change = decodeChange(payload);
    if (change) this.#events.changed(change);
    else this.#events.written(); // from a later version: look it up
  }
}

/** Returns the reason once the connection's resources are released. */
async function endAfter(lost: Promise<Error>, client: Client, heartbeat: NodeJS.Timeout): Promise<Error> {
  const error = await lost;
  clearInterval(heartbeat);
  await client.end().catch(() => undefined); // most likely closed already
  return error;
}
