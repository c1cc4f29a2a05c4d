import { readFileSync } from 'node:fs';
import process from 'node:process';
import { prepareForEmulator } from '../../src/cli/support/emulated-azure.ts';
import { startService } from '../../src/compose/service.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { configOf } from './config.ts';

/** The service in a process of its own, against an emulator in another: prints where it listens, and drains on SIGTERM. */
const config = configOf(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')));
prepareForEmulator(config, {
  env: process.env,
  setEnv: (name, value) => {
    process.env[name] = value;
  },
});
const service = await startService({ config, logger: silentLogger() });
process.on('SIGTERM', () => void service.stop());
process.stdout.write(`${service.url}\n`);
