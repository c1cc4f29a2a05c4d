import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

// Below the ports that systems give to outgoing connections, which could take one of ours between
// this check and its use.
const LOWEST = 12_000;
const HIGHEST = 32_000;
/** Ports are given away in blocks. The last port of a block is its lock. */
const BLOCK = 32;
const TRIES = 100;

/**
 * Returns the first of so many adjacent free ports. While this process lives, no other caller gets
 * them: it listens on the last port of their block.
 */
export async function freePorts(count: number): Promise<number> {
  if (count >= BLOCK) throw new Error(`At most ${BLOCK - 1} ports`);
  for (let tries = 0; tries < TRIES; tries += 1) {
    const first = LOWEST + BLOCK * randomInt((HIGHEST - LOWEST) / BLOCK);
    const lock = await listenOn(first + BLOCK - 1);
    if (lock === undefined) continue;
    const free = await Promise.all(Array.from({ length: count }, (_, offset) => isFree(first + offset)));
    if (!free.includes(false)) {
      lock.unref();
      return first;
    }
    lock.close();
  }
  throw new Error(`There are no ${count} free ports in a row`);
}

async function listenOn(port: number): Promise<Server | undefined> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
    return server;
  } catch {
    return undefined;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = await listenOn(port);
  if (server === undefined) return false;
  server.close();
  await once(server, 'close');
  return true;
}
