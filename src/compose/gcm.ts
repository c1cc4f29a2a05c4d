import { getFips } from 'node:crypto';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '../config/load-config.ts';
import type { Config } from '../config/resolved.ts';
import { type Gcm, javascriptGcm } from '../format/aes-gcm.ts';
import { nativeGcm } from '../format/native-gcm.ts';
import type { Logger } from '../telemetry/logger.ts';

/** Where `npm run native` puts the module, for the sources and for the compiled service. */
const MODULE_FILE = fileURLToPath(new URL('../../native/vaultspan-native.node', import.meta.url));

/**
 * Returns the implementation of AES-256-GCM that this process uses, and logs which it is: the
 * native module if it was built and works, otherwise node:crypto.
 * @throws ConfigError if the setting requires the module and it cannot be used
 */
export function openGcm(
  { accelerator }: Pick<Config, 'accelerator'>,
  logger: Pick<Logger, 'info' | 'warn'>,
  file: string = MODULE_FILE,
): Gcm {
  const opened = accelerator === 'off' ? 'accelerator is off' : openModule(file);
  if (typeof opened !== 'string') {
    logger.info({ implementation: opened.name }, 'AES-256-GCM of short messages is native');
    return opened;
  }
  if (accelerator === 'required') {
    throw new ConfigError('The native accelerator is required and cannot be used', [`accelerator: ${opened}`]);
  }
  const { name: implementation } = javascriptGcm;
  // A module that is there and does not work is a mistake; a checkout without one is not.
  const isMistake = accelerator === 'auto' && existsSync(file) && !isFips();
  logger[isMistake ? 'warn' : 'info']({ implementation, reason: opened }, 'AES-256-GCM is by node:crypto');
  return javascriptGcm;
}

/** Returns the module's implementation, or the reason why there is none. */
function openModule(file: string): Gcm | string {
  if (isFips()) return 'the native module is not validated for FIPS mode';
  if (!existsSync(file)) return 'the native module was not built (npm run native)';
  try {
    return nativeGcm(createRequire(import.meta.url)(file));
  } catch (error) {
    return `the native module does not work here: ${error instanceof Error ? error.message : 'unknown failure'}`;
  }
}

const isFips = (): boolean => getFips() === 1;
