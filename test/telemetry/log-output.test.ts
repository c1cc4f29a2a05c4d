import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { boundedOutput } from '../../src/telemetry/log-output.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { freePorts } from '../support/free-ports.ts';
import { until } from '../support/until.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');

test('a log with a slow reader drops lines, uses a bounded amount of memory, and then reports their number', async () => {
  const taken: string[] = [];
  let release: (() => void) | undefined;
  const output = new Writable({
    decodeStrings: false,
    write: (line: string, _encoding, done) => {
      taken.push(line);
      if (release) done();
      else release = done;
    },
  });
  const logger = createLogger('info', boundedOutput(output));
  const text = 'x'.repeat(10_000);
  const LINES = 1_000;
  for (let n = 0; n < LINES; n += 1) logger.info({ n, text }, 'a line');
  expect(output.writableLength).toBeLessThan(1.1 * 1024 * 1024);
  release?.();
  await until(() => output.writableLength === 0, 'the lines that waited');
  logger.info('another line');
  await until(() => taken.some((line) => line.includes('another line')), 'the line after them');
  const messages = taken.map((line) => JSON.parse(line) as Record<string, unknown>);
  const written = messages.filter(({ msg }) => msg === 'a line').length;
  const report = { level: 40, dropped: LINES - written, msg: 'log lines dropped: their reader was too slow' };
  expect(messages.slice(written)).toMatchObject([report, { msg: 'another line' }]);
  expect(written).toBeGreaterThan(50);
});

test('a log that is never read does not prevent the process from ending on SIGTERM', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'full-pipe-'));
  const pipe = join(folder, 'log');
  execFileSync('mkfifo', [pipe]);
  const reader = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK); // never reads
  expect(() => {
    for (;;) writeSync(reader, 'x'.repeat(4_096));
  }).toThrow(expect.objectContaining({ code: 'EAGAIN' }));
  const first = await freePorts(8);
  const args = ['dev', '--port', String(first), '--emulator-port', String(first + 2), '--log-level', 'debug'];
  const writer = openSync(pipe, 'w');
  const service = spawn(process.execPath, [MAIN, ...args], { cwd: folder, stdio: ['ignore', writer, 'ignore'] });
  closeSync(writer);
  try {
    const ended = once(service, 'exit');
    const isReady = () =>
      fetch(`http://127.0.0.1:${first}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
    while (service.exitCode === null && !(await isReady())) await sleep(100);
    service.kill('SIGTERM');
    const ending = setTimeout(() => service.kill('SIGKILL'), 100_000);
    expect(await ended).toEqual([0, null]);
    clearTimeout(ending);
  } finally {
    service.kill('SIGKILL');
    closeSync(reader);
    await rm(folder, { recursive: true, force: true });
  }
});
