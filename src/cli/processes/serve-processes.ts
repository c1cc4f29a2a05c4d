import { openGatheredMetrics } from '../../compose/telemetry.ts';
import type { Config } from '../../config/resolved.ts';
import { boundedOutput } from '../../telemetry/log-output.ts';
import { createLogger } from '../../telemetry/logger.ts';
import { aborted } from '../support/aborted.ts';
import type { ProcessIo } from '../support/command.ts';
import { Crew } from './crew.ts';
import { PACE, type Pace } from './pace.ts';

/** The options of the command line that the processes need. */
export interface ServeOptions {
  /** Value of `--config`. */
  readonly config: string | undefined;
}

const FAILED = 1;

/**
 * Runs as many processes of the service as the configuration says, until a signal. Resolves with
 * the exit code. The pace is the service's own, except in tests of crashes.
 */
export async function serveProcesses(
  config: Config,
  options: ServeOptions,
  io: ProcessIo,
  pace: Pace = PACE,
): Promise<number> {
  const { http, telemetry } = config;
  const logger = createLogger(telemetry.logLevel, boundedOutput(io.stdoutBytes()));
  const metrics = await openGatheredMetrics(config);
  const givenUp = Promise.withResolvers<string>();
  const args = [
    'serve',
    '--processes',
    String(http.processes),
    ...(options.config ? ['--config', options.config] : []),
  ];
  const crew = new Crew({
    count: http.processes,
    start: (number) => io.startProcess(args, { VAULTSPAN_PROCESS: String(number) }),
    drainMs: http.drainMs,
    pace,
    logger,
    onStarted: (child) => metrics?.started(child),
    onEnded: (child, last) => metrics?.ended(child, last),
    onGivenUp: givenUp.resolve,
  });
  const dropCleanUp = io.onExit(() => crew.kill());
  const stopped = aborted(io.signal).then(() => undefined);
  try {
    const starting = crew.start();
    rollOnHangUp(crew, starting, io);
    const failed = await Promise.race([starting, stopped]);
    // The process has printed its reason.
    if (failed && !io.signal.aborted) return failed.code || FAILED;
    if (!io.signal.aborted) {
      logger.info({ port: http.port, processes: http.processes, metricsUrl: metrics?.url }, 'all processes listen');
    }
    const reason = await Promise.race([givenUp.promise, stopped]);
    if (reason === undefined) return 0;
    logger.fatal({ reason }, 'the processes only crash');
    io.stderr(`vaultspan: ${reason}\n`);
    return FAILED;
  } finally {
    await crew.stop(io.hurry);
    await metrics?.close();
    dropCleanUp();
    logger.info('all processes have stopped');
  }
}

/**
 * Rolls the processes on each SIGHUP, once all have started. One that arrives during a roll starts
 * another after it.
 */
function rollOnHangUp(crew: Crew, starting: Promise<unknown>, io: ProcessIo): void {
  let isRolling: boolean = false;
  let isAsked: boolean = false;
  const rollAll = async () => {
    isRolling = true;
    await starting;
    while (isAsked && !io.signal.aborted) {
      isAsked = false;
      await crew.roll();
    }
    isRolling = false;
  };
  io.onHangUp(() => {
    isAsked = true;
    if (!isRolling) void rollAll();
  });
}
