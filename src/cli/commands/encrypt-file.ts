import type { Command } from '../support/command.ts';
import { STREAM_OPTIONS_HELP } from '../support/stream-options.ts';
import { transformFile } from '../support/transform-file.ts';

export const SEALED_SUFFIX = '.vspn';

export const encryptFile: Command = {
  name: 'encrypt-file',
  summary: "Encrypt a file of any size under a tenant's key",
  help: `
Usage: vaultspan encrypt-file FILE | - --tenant ID [-o FILE] [--key ALIAS] [--context NAME=VALUE]… [--force] [--url URL] [--token TOKEN]

Sends FILE, or standard input, through a running service. Writes FILE${SEALED_SUFFIX}; standard input goes to standard output.
An output file is complete and readable by its owner only, or it is not created.
${STREAM_OPTIONS_HELP}
  --key ALIAS           one of the tenant's data keys; default: its default key

Exit codes: 0 done, 1 failed, 2 wrong usage.`,
  run: (args, io) =>
    transformFile(
      {
        path: ({ key }) => `/streams/encrypt${key === undefined ? '' : `?key=${encodeURIComponent(key)}`}`,
        outputOf: (file) => `${file}${SEALED_SUFFIX}`,
      },
      args,
      io,
    ),
};
