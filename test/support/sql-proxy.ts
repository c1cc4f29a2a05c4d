import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Socket } from 'node:net';
import { Client } from 'pg';
import type { DatabaseOptions } from '../../src/database/open-database.ts';

type Mode = 'open' | 'refusing' | 'silent';

/** A proxy of PostgreSQL that a test can break. */
export interface Proxy extends AsyncDisposable {
  readonly url: string;
  /** `refusing` ends connections and accepts none; `silent` passes nothing, in either direction. */
  turn(mode: Mode): void;
  /** Passes later connections to another server, as a failover does. */
  retarget(options: DatabaseOptions): void;
}

/** Opens a proxy. `refuses`: connection parameters to refuse, as PgBouncer refuses unknown ones. */
export async function openProxy(options: DatabaseOptions, refuses: readonly string[] = []): Promise<Proxy> {
  const client = new Client('url' in options ? options.url : '');
  const { database } = client;
  let target = targetOf(client);
  const sockets = new Set<Socket>();
  let mode: Mode = 'open';
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
  };
  const server = createServer((near) => {
    keep(near);
    if (mode === 'refusing') near.destroy();
    if (mode !== 'open') return;
    const far = keep(connect(target));
    let isStarted = false;
    near.on('data', (bytes: Buffer) => {
      const refused = isStarted ? undefined : refuses.find((name) => bytes.includes(`\0${name}\0`));
      isStarted = true;
      if (refused !== undefined) near.end(refusalOf(refused));
      else if (mode === 'open') far.write(bytes);
    });
    near.on('close', () => far.destroy());
    far.on('data', (bytes) => mode === 'open' && near.write(bytes)).on('close', () => near.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const end = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `postgres://${client.user}@127.0.0.1:${(server.address() as AddressInfo).port}/${database}`,
    turn: (next) => {
      mode = next;
      if (next === 'refusing') end();
    },
    retarget: (other) => {
      target = targetOf(new Client('url' in other ? other.url : ''));
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      end();
      await once(server, 'close');
    },
  };
}

const targetOf = ({ host, port }: Pick<Client, 'host' | 'port'>): NetConnectOpts =>
  host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };

/** Returns an ErrorResponse of PostgreSQL's protocol, with PgBouncer's text. */
function refusalOf(parameter: string): Buffer {
  const fields = ['SFATAL', 'VFATAL', 'C08P01', `Munsupported startup parameter: ${parameter}`];
  const body = Buffer.from(`${fields.join('\0')}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}
