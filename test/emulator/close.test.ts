import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from '@jest/globals';
import { startEmulator } from '../../src/emulator/emulator.ts';

test('an emulator closes at once, although a connection has not finished its handshake', async () => {
  const emulator = await startEmulator({ firstPort: 0 });
  const client = connect(Number(new URL(emulator.homeVaultUrl).port), '127.0.0.1');
  await once(client, 'connect');
  client.on('error', () => undefined);
  const closed = once(client, 'close');
  await emulator.close();
  await closed;
  expect(client.destroyed).toBe(true);
});
