import { loadConfig } from '../../config/load-config.ts';
import type { Config } from '../../config/resolved.ts';
import type { CommandIo } from './command.ts';

/**
 * Returns the configuration. Prints a warning on standard error for each variable with our prefix
 * that is no setting.
 * @throws ConfigError
 */
export const readConfig = (path: string | undefined, { env, cwd, memoryBytes, stderr }: CommandIo): Config =>
  loadConfig({ path, env, cwd, memoryBytes, onUnknown: (warning) => stderr(`warning: ${warning}\n`) });
