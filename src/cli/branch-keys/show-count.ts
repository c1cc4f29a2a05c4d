import type { CommandIo } from '../support/command.ts';

const EVERY = 500;

/** Prints a line of progress on standard error after each 500 keys. */
export function showCount(count: number, verb: string, { stderr }: Pick<CommandIo, 'stderr'>): void {
  if (count > 0 && count % EVERY === 0) stderr(`${count} keys ${verb}\n`);
}
