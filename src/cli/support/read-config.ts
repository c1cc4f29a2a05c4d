import { loadConfig } from '../../config/load-config.ts';
import type { Config } from '../../config/resolved.ts';
import type { ProcessIo } from './command.ts';

/**
 * Returns the configuration. Prints a warning on standard error for each variable with our prefix
 * that is no setting.
 * @throws ConfigError
 */
export function readConfig(path: string | undefined, io: ProcessIo, processes?: string): Config {
  const { env, cwd, memoryBytes, cores, stderr, parent } = io;
  // The parent of several processes has printed the warnings.
  const onUnknown = (warning: string) => (parent ? undefined : stderr(`warning: ${warning}\n`));
  return loadConfig({ path, env, cwd, memoryBytes, cores, processes, onUnknown });
}
