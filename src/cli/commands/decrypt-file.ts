import { ConfigError } from '../../config/load-config.ts';
import type { Command } from '../support/command.ts';
import { STREAM_OPTIONS_HELP } from '../support/stream-options.ts';
import { transformFile } from '../support/transform-file.ts';
import { SEALED_SUFFIX } from './encrypt-file.ts';

export const decryptFile: Command = {
  name: 'decrypt-file',
  summary: 'Decrypt a file encrypted with encrypt-file',
  help: `
Usage: vaultspan decrypt-file FILE | - --tenant ID [-o FILE] [--context NAME=VALUE]… [--force] [--url URL] [--token TOKEN]

Sends FILE, or standard input, through a running service. Writes FILE without its ${SEALED_SUFFIX}; standard input goes to
standard output. An output file is complete and readable by its owner only, or it is not created. Standard output is only valid with exit code 0.
${STREAM_OPTIONS_HELP}

Exit codes: 0 done, 1 failed, 2 wrong usage.`,
  run: (args, io) => transformFile({ path, outputOf }, args, io),
};

function path({ key }: { readonly key?: string | undefined }): string {
  if (key !== undefined) throw new ConfigError('decrypt-file has no --key: the file names its key');
  return '/streams/decrypt';
}

function outputOf(file: string): string {
  if (file.endsWith(SEALED_SUFFIX) && file.length > SEALED_SUFFIX.length) return file.slice(0, -SEALED_SUFFIX.length);
  throw new ConfigError(`${file} does not end in ${SEALED_SUFFIX}: set the output with -o`);
}
