import { resolve } from 'node:path';
import { ConfigError } from '../../config/load-config.ts';
import type { CommandIo } from './command.ts';
import { fileSource } from './file-source.ts';
import { CutError, callStream } from './stream-call.ts';
import { onlyFile, parseStreamArgs, streamTargetOf } from './stream-options.ts';
import { destinationOf, writeWhole } from './whole-file.ts';

type Values = ReturnType<typeof parseStreamArgs>['values'];

/** The differences between encrypt-file and decrypt-file. */
export interface FileTransform {
  readonly path: (values: Values) => string;
  /**
   * Returns the name of the output, from that of the input.
   * @throws ConfigError if the input's name implies none
   */
  readonly outputOf: (file: string) => string;
}

/** Sends a file through the service into another. Resolves with the exit code. */
export async function transformFile(transform: FileTransform, args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseStreamArgs(args);
  const file = onlyFile(positionals);
  const target = streamTargetOf(values, io);
  const output = values.output ?? (file === '-' ? '-' : transform.outputOf(file));
  const input = file === '-' ? file : resolve(io.cwd, file);
  const path = output === '-' ? output : resolve(io.cwd, output);
  if (path !== '-' && path === input) throw new ConfigError('The output file is the input file');
  if (path !== '-') destinationOf(path, values.force);
  const body = await fileSource(input, io);
  return reportCuts(io, async () => {
    if (path === '-') await callStream(target, transform.path(values), body, io.stdoutBytes(), io.signal);
    else {
      await writeWhole(path, values.force, io, (sink) =>
        callStream(target, transform.path(values), body, sink, io.signal),
      );
    }
  });
}

/** Reports a truncated answer in one line: it is no fault of the program. */
export async function reportCuts(io: CommandIo, run: () => Promise<void>): Promise<number> {
  try {
    await run();
    return 0;
  } catch (error) {
    if (io.signal.aborted) io.stderr('Stopped; nothing was written\n');
    else if (error instanceof CutError) io.stderr(`${error.message}. Nothing was written\n`);
    else throw error;
    return 1;
  }
}
