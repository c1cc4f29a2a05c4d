import { ConfigError } from '../../config/load-config.ts';
import type { Config } from '../../config/resolved.ts';
import { noArguments, readArguments } from '../support/arguments.ts';
import type { Command, CommandIo } from '../support/command.ts';
import { readConfig } from '../support/read-config.ts';

export const serve: Command = {
  name: 'serve',
  summary: 'Run the service against Azure',
  help: `
Usage: vaultspan serve [--processes auto|N] [--config FILE]

Runs the service until SIGTERM or SIGINT, then drains: /readyz returns 503, requests in progress finish, and the audit chain is closed. A second signal ends
the drain at once.
It needs a configuration with at least home (tenantId, appId, vaultUrl) and callers; docs/configuration.md has every setting. Tenants
are in the database (SQLite unless database.url names PostgreSQL), or in the file of registry.file.
The home vault must hold the app's client secret, and the keys that \`vaultspan init\` creates.

  --processes N  run N processes on the port, or one per core with auto; overrides http.processes, whose default is 1
  --config FILE  the configuration

With several processes SIGHUP replaces them one by one, and each reads the configuration again. A process that ends is replaced.

Exit codes: 0 stopped by a signal, 1 failed, 2 wrong configuration.`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, { config: { type: 'string' }, processes: { type: 'string' } });
    noArguments(positionals);
    const config = readConfig(values.config, io, values.processes);
    if (config.emulator) {
      throw new ConfigError('serve runs against real Azure, but this configuration allows the emulator', [
        'emulator: remove the section, or start with vaultspan dev',
      ]);
    }
    return serveConfig(config, values.config, io);
  },
};

/** Runs the service in this process, or as the parent of several. Each loads only its own code. */
async function serveConfig(config: Config, path: string | undefined, io: CommandIo): Promise<number> {
  if (config.http.processes === 1 || io.parent) {
    return (await import('../processes/serve-here.ts')).serveHere(config, io);
  }
  return (await import('../processes/serve-processes.ts')).serveProcesses(config, { config: path }, io);
}
