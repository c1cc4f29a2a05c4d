import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { outputTaken } from '../../src/cli/support/output-taken.ts';
import { packageVersion } from '../../src/lib/package-version.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const WAIT_MS = 3_000;

/** Returns a pipe that a test reads when it wants. */
function openPipe() {
  const folder = mkdtempSync(join(tmpdir(), 'pipe-'));
  const path = join(folder, 'out');
  execFileSync('mkfifo', [path]);
  const end = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  return {
    path,
    /** Writes until there is no room for another byte. */
    fill: () => {
      for (const size of [4_096, 1]) {
        expect(() => {
          for (;;) writeSync(end, 'x'.repeat(size));
        }).toThrow(expect.objectContaining({ code: 'EAGAIN' }));
      }
    },
    /** Returns the bytes in the pipe, up to this number. */
    read: (bytes: number) => {
      const buffer = Buffer.alloc(bytes);
      try {
        return buffer.toString('utf8', 0, readSync(end, buffer));
      } catch {
        return '';
      }
    },
    [Symbol.dispose]: () => {
      closeSync(end);
      rmSync(folder, { recursive: true });
    },
  };
}

test('output is waited for while its reader takes some of it, and no longer', async () => {
  using pipe = openPipe();
  const output = new Socket({ fd: openSync(pipe.path, constants.O_WRONLY | constants.O_NONBLOCK), readable: false });
  output.write('x'.repeat(1024 * 1024));
  const STALL_MS = 3_000;
  let isTaken: boolean | undefined;
  const outcome = outputTaken(output, STALL_MS).then((taken) => {
    isTaken = taken;
    return taken;
  });
  for (let n = 0; n < 5; n += 1) {
    await sleep(STALL_MS / 4);
    expect([pipe.read(8_192).length, isTaken]).toEqual([8_192, undefined]);
  }
  expect(await outcome).toBe(false);
  const rest = outputTaken(output, STALL_MS);
  while (pipe.read(65_536) !== '') await sleep(1);
  expect(await rest).toBe(true);
  output.destroy();
});

test('a command whose output nobody reads ends, and says that it was not read', async () => {
  using pipe = openPipe();
  pipe.fill();
  const writer = openSync(pipe.path, 'w');
  // Detached: without a terminal, as under a service manager.
  const command = spawn(process.execPath, [MAIN, '--version'], { detached: true, stdio: ['ignore', writer, 'pipe'] });
  closeSync(writer);
  const ending = setTimeout(() => command.kill('SIGKILL'), 100_000);
  let complaint = '';
  command.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  expect(await once(command, 'close')).toEqual([1, null]);
  clearTimeout(ending);
  expect(complaint).toBe('vaultspan: the reader of the output did not take all of it\n');
});

test('at a terminal, where a pager may wait for a key, the output is waited for', async () => {
  using pipe = openPipe();
  pipe.fill();
  const line = `'${process.execPath}' '${MAIN}' --version > '${pipe.path}'`;
  const command = spawn('script', ['-qec', line, '/dev/null'], { stdio: 'ignore' });
  const ended = once(command, 'exit');
  await sleep(WAIT_MS);
  expect(command.exitCode).toBeNull();
  let text = '';
  while (command.exitCode === null) {
    text += pipe.read(65_536);
    await sleep(10);
  }
  text += pipe.read(65_536);
  expect(text.replaceAll('x', '').trim()).toBe(packageVersion());
  expect(await ended).toEqual([0, null]);
});
