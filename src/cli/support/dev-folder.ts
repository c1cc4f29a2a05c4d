import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { parse } from 'yaml';
import * as z from 'zod';
import { ConfigError } from '../../config/load-config.ts';
import { ignoreGone } from '../../lib/gone-files.ts';

const CONNECT_MS = 1_000;
const Earlier = z.object({ cloud: z.object({ authorityHost: z.url() }) });

/**
 * Checks that no other `dev` runs in the folder, and that an earlier one used the same ports: the
 * addresses of the emulated vaults are part of every ciphertext.
 * @throws ConfigError
 */
export async function assertUsable(folder: string, firstPort: number, isReset: boolean): Promise<void> {
  const text = await readFile(join(folder, 'config.yaml'), 'utf8').catch(ignoreGone);
  const earlier = Earlier.safeParse(text === undefined ? undefined : parse(text));
  if (!earlier.success) return;
  const { hostname, port } = new URL(earlier.data.cloud.authorityHost);
  if (await isRunning(folder, hostname, Number(port))) {
    throw new ConfigError(`vaultspan dev is already running in ${folder}, on port ${port}: stop it first`);
  }
  if (isReset || Number(port) === firstPort) return;
  throw new ConfigError(
    `${folder} was created with --emulator-port ${port}: use the same port, or delete the state with --reset`,
  );
}

/** Returns whether an emulator answers with a certificate of this folder's own CA. */
async function isRunning(folder: string, host: string, port: number): Promise<boolean> {
  const ca = await readFile(join(folder, 'ca.pem'), 'utf8').catch(ignoreGone);
  if (ca === undefined) return false;
  const socket = connect({ host, port, ca, timeout: CONNECT_MS });
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(CONNECT_MS) });
    return true;
  } catch {
    return false;
  } finally {
    socket.on('error', () => undefined).destroy();
  }
}
