import { setGlobalProxyFromEnv } from 'node:http';
import { parseArgs } from 'node:util';
import { startService } from '../../compose/service.ts';
import { ConfigError } from '../../config/load-config.ts';
import { createLogger } from '../../telemetry/logger.ts';
import { aborted } from '../support/aborted.ts';
import type { Command } from '../support/command.ts';
import { readConfig } from '../support/read-config.ts';

export const serve: Command = {
  name: 'serve',
  summary: 'Run the service against Azure',
  help: `
Usage: vaultspan serve [--config FILE]

Runs the service until SIGTERM or SIGINT, then drains: readiness goes off, requests under way end, the audit chain is closed.
It needs a configuration with at least home (tenantId, appId, vaultUrl), callers and registry.file; docs/configuration.md has them all.
The home vault must hold the app's client secret, and the keys that \`vaultspan init\` makes.

Exit codes: 0 stopped as asked, 1 failed, 2 not configured.`,
  async run(args, io) {
    const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' } } });
    const config = readConfig(values.config, io);
    if (config.emulator) {
      throw new ConfigError('serve is for real Azure: this configuration allows the emulator', [
        'emulator: remove the section, or start with vaultspan dev',
      ]);
    }
    if (io.env['HTTPS_PROXY'] !== undefined) setGlobalProxyFromEnv(); // for fetch; the SDK looks for itself
    const service = await startService({ config, logger: createLogger(config.telemetry.logLevel, io.stdout) });
    await aborted(io.signal);
    await service.stop();
    return 0;
  },
};
