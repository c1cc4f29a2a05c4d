import type { Command } from '../support/command.ts';
import { STREAM_OPTIONS_HELP } from '../support/stream-options.ts';
import { transformFile } from '../support/transform-file.ts';

export const SEALED_SUFFIX = '.vspn';

export const encryptFile: Command = {
  name: 'encrypt-file',
  summary: "Encrypt a file of any size under a tenant's key",
  help: `
Usage: vaultspan encrypt-file FILE | - --tenant ID [-o FILE] [--key ALIAS] [--context NAME=VALUE]… [--force] [--url URL] [--token TOKEN]

Sends FILE, or standard input, through a running service. Writes FILE${SEALED_SUFFIX}, or to standard output what comes from standard input.
The output is there whole, readable by its owner alone, or not at all.
${STREAM_OPTIONS_HELP}
  --key ALIAS           one of the tenant's data keys; its default key without it

Exit codes: 0 done, 1 failed, 2 called wrongly.`,
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
