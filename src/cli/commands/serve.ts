import { startService } from '../../compose/service.ts';
import { ConfigError } from '../../config/load-config.ts';
import { boundedOutput } from '../../telemetry/log-output.ts';
import { createLogger } from '../../telemetry/logger.ts';
import { aborted } from '../support/aborted.ts';
import { noArguments, readArguments } from '../support/arguments.ts';
import type { Command } from '../support/command.ts';
import { readConfig } from '../support/read-config.ts';

export const serve: Command = {
  name: 'serve',
  summary: 'Run the service against Azure',
  help: `
Usage: vaultspan serve [--config FILE]

Runs the service until SIGTERM or SIGINT, then drains: /readyz returns 503, requests in progress finish, and the audit chain is closed. A second signal ends
the drain at once.
It needs a configuration with at least home (tenantId, appId, vaultUrl) and callers; docs/configuration.md has every setting. Tenants
are in the database (SQLite unless database.url names PostgreSQL), or in the file of registry.file.
The home vault must hold the app's client secret, and the keys that \`vaultspan init\` creates.

Exit codes: 0 stopped by a signal, 1 failed, 2 wrong configuration.`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, { config: { type: 'string' } });
    noArguments(positionals);
    const config = readConfig(values.config, io);
    if (config.emulator) {
      throw new ConfigError('serve runs against real Azure, but this configuration allows the emulator', [
        'emulator: remove the section, or start with vaultspan dev',
      ]);
    }
    const service = await startService({
      config,
      logger: createLogger(config.telemetry.logLevel, boundedOutput(io.stdoutBytes())),
    });
    await aborted(io.signal);
    await service.stop(io.hurry);
    return 0;
  },
};
