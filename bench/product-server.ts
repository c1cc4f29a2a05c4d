import { readFileSync } from 'node:fs';
import process from 'node:process';
import { prepareForEmulator } from '../src/cli/support/emulated-azure.ts';
import { startService } from '../src/compose/service.ts';
import { silentLogger } from '../src/telemetry/logger.ts';
import { configOf } from '../test/support/config.ts';
import { answerCpuQuestions } from './cpu.ts';

/** The product as it runs in production, but for where its Azure is; the emulator is another process. */
const config = configOf(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')));
prepareForEmulator(config, {
  env: process.env,
  setEnv: (name, value) => {
    process.env[name] = value;
  },
});
const service = await startService({ config, logger: silentLogger() });
process.on('SIGTERM', () => {
  void service.stop().then(() => process.exit());
});
answerCpuQuestions(service.url);
