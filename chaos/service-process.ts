import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';
import { prepareForEmulator } from '../src/cli/support/emulated-azure.ts';
import { startService } from '../src/compose/service.ts';
import { createLogger } from '../src/telemetry/logger.ts';
import { configOf } from '../test/support/config.ts';
import { TestClock } from '../test/support/test-clock.ts';

/** A service process's report about itself. */
export interface Vitals {
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly externalBytes: number;
  /**
   * The resources that keep the event loop busy: sockets, timers, requests of the file system, …;
   * by kind.
   */
  readonly resources: Readonly<Record<string, number>>;
  /** Since the last query. */
  readonly loopDelayP99Ms: number;
  readonly cpuMicroseconds: number;
}

/** `setWall` moves the wall clock by so many seconds, as a wrong time server does. */
export type Question = { readonly ask: 'vitals' } | { readonly ask: 'setWall'; readonly seconds: number };

// As on a full disk, a write over RLIMIT_FSIZE must fail, and not end the process.
process.on('SIGXFSZ', () => undefined);
/**
 * The product as it runs in production, except for the place of its Azure and a clock that can be
 * set.
 */
const config = configOf(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')));
prepareForEmulator(config, {
  env: process.env,
  setEnv: (name, value) => {
    process.env[name] = value;
  },
});
const clock = new TestClock('running');
const logger = createLogger(config.telemetry.logLevel, (line) => process.stderr.write(line));
const service = await startService({ config, logger, clock });
process.on('SIGTERM', () => {
  void service.stop().then(() => process.exit());
});
process.on('disconnect', () => process.exit()); // the parent process has ended
const loopDelay = monitorEventLoopDelay();
loopDelay.enable();
process.on('message', (question: Question) => {
  if (question.ask === 'setWall') clock.jumpWall(question.seconds);
  process.send?.(vitals());
});
process.send?.({ url: service.url });

function vitals(): Vitals {
  const { rss, heapUsed, external } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const loopDelayP99Ms = loopDelay.percentile(99) / 1e6;
  loopDelay.reset();
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  return {
    residentBytes: rss,
    heapUsedBytes: heapUsed,
    externalBytes: external,
    resources,
    loopDelayP99Ms,
    cpuMicroseconds: user + system,
  };
}
