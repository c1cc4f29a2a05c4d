// Prints the first of N neighbouring ports that nobody listens on: node free-ports.ts N
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

const count = Number(process.argv[2]);
// Below the ports that systems give to outgoing connections, which could take one of ours between this look and its use.
const LOWEST = 12_000;
const HIGHEST = 32_000;

const isFree = async (port: number): Promise<boolean> => {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
};

for (let tries = 100; ; tries--) {
  if (tries === 0) throw new Error(`There are no ${count} free ports in a row`);
  const first = randomInt(LOWEST, HIGHEST - count);
  const free = await Promise.all(Array.from({ length: count }, (_, offset) => isFree(first + offset)));
  if (free.includes(false)) continue;
  process.stdout.write(`${first}\n`);
  break;
}
