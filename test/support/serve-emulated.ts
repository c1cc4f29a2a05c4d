import { existsSync } from 'node:fs';
import process from 'node:process';
import { openProcessIo } from '../../src/cli/support/process-io.ts';

/**
 * The program `vaultspan serve` without its refusal of the emulator. Its arguments are `serve
 * --processes N --config FILE`. While the file of CRASH exists, each process ends before it serves.
 */
const io = openProcessIo(import.meta.filename);
const [, , , , processes, , path] = process.argv;
const { CRASH } = io.env;
if (io.parent && CRASH !== undefined && existsSync(CRASH)) process.exit(7);
process.exit(await serve());

async function serve(): Promise<number> {
  const { prepareForEmulator } = await import('../../src/cli/support/emulated-azure.ts');
  const { readConfig } = await import('../../src/cli/support/read-config.ts');
  const { ConfigError } = await import('../../src/config/load-config.ts');
  try {
    const config = readConfig(path, io, processes);
    prepareForEmulator(config, io);
    if (config.http.processes === 1 || io.parent) {
      return await (await import('../../src/cli/processes/serve-here.ts')).serveHere(config, io);
    }
    const { serveProcesses } = await import('../../src/cli/processes/serve-processes.ts');
    // Short pauses, so that a test need not wait for the last start of a crash loop.
    const pace = { steadyMs: 10_000, pauseMs: 1, maxPauseMs: 30_000, maxFastEnds: 4, killMs: 10_000 };
    return await serveProcesses(config, { config: path }, io, pace);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    io.stderr(`${error.message}\n`);
    return 2;
  }
}
