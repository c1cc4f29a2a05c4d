import type { CommandIo } from '../support/command.ts';

const EVERY = 500;

/** Shows the progress; without a terminal, a line on standard error after each 500 keys. */
export function showCount(count: number, verb: string, io: CommandIo): void {
  io.progress(`${count} keys ${verb}`);
  if (!io.isStderrTerminal && count > 0 && count % EVERY === 0) io.stderr(`${count} keys ${verb}\n`);
}
