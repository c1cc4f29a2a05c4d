import { readFileSync } from 'node:fs';
import process from 'node:process';
import { prepareForEmulator } from '../../src/cli/support/emulated-azure.ts';
import { type Service, startService } from '../../src/compose/service.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { configOf } from './config.ts';

/**
 * Starts the product as in production, with the configuration in the file that the first argument
 * names; its Azure is emulated in another process.
 */
export function serveArgument(): Promise<Service> {
  const config = configOf(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')));
  prepareForEmulator(config, {
    env: process.env,
    setEnv: (name, value) => {
      process.env[name] = value;
    },
  });
  return startService({ config, logger: silentLogger() });
}
