import { loadConfig } from '../../config/load-config.ts';
import type { Config } from '../../config/resolved.ts';
import type { CommandIo } from './command.ts';

/** Returns the configuration. Variables with our prefix that are no setting are warned of on standard error. @throws ConfigError */
export const readConfig = (path: string | undefined, { env, cwd, memoryBytes, stderr }: CommandIo): Config =>
  loadConfig({ path, env, cwd, memoryBytes, onUnknown: (warning) => stderr(`warning: ${warning}\n`) });
