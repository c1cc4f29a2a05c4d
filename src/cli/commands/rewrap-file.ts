import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';
import { ConfigError } from '../../config/load-config.ts';
import { ServiceError } from '../../errors.ts';
import { decodePrefix, encodePrefix, type StreamPrefix } from '../../format/stream-format.ts';
import { defined } from '../../lib/defined.ts';
import { readArguments } from '../support/arguments.ts';
import type { Command } from '../support/command.ts';
import { callJson } from '../support/stream-call.ts';
import { onlyFile, STREAM_OPTIONS, STREAM_OPTIONS_HELP, streamTargetOf } from '../support/stream-options.ts';
import { reportCuts } from '../support/transform-file.ts';
import { destinationOf, writeWhole } from '../support/whole-file.ts';

const MAX_PREFIX_BYTES = 8_192;
const Answer = z.object({ ciphertext: z.string(), keyId: z.string() });

export const rewrapFile: Command = {
  name: 'rewrap-file',
  summary: 'Move an encrypted file to the newest key version, another key or another tenant',
  help: `
Usage: vaultspan rewrap-file FILE --tenant ID [--to-tenant ID] [--key ALIAS] [--form FORM] [-o FILE] [--context NAME=VALUE]… [--url URL] [--token TOKEN]

Sends only the header of FILE to a running service, and replaces it with the header that the service returns; the rest is copied unchanged. Prints the
id of the key version. The output is complete, or it is not created.
${STREAM_OPTIONS_HELP.replace('output; - for standard output', 'output; default: FILE itself')}
  --to-tenant ID        tenant of the new key; default: the same tenant
  --key ALIAS           one of the target's data keys; default: its default key
  --form FORM           self-contained or compact; default: the form of that key

Exit codes: 0 done, 1 failed, 2 wrong usage.`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, {
      ...STREAM_OPTIONS,
      key: { type: 'string' },
      'to-tenant': { type: 'string' },
      form: { type: 'string' },
    });
    const file = onlyFile(positionals);
    if (file === '-' || values.output === '-') throw new ConfigError('rewrap-file works on files only');
    const target = streamTargetOf(values, io);
    const input = resolve(io.cwd, file);
    const output = values.output === undefined ? input : resolve(io.cwd, values.output);
    const isForced = values.force || output === input;
    destinationOf(output, isForced);
    const prefix = await readPrefix(input);
    const body = defined({
      ciphertext: prefix.jwe,
      encryptionContext: target.context,
      to: defined({ tenantId: values['to-tenant'], key: values.key, form: formOf(values.form) }),
    });
    return reportCuts(io, async () => {
      const answer = Answer.parse(await callJson(target, '/streams/rewrap-header', body, io.signal));
      await writeWhole(output, isForced, io, async (sink) => {
        sink.write(encodePrefix(answer.ciphertext));
        await pipeline(createReadStream(input, { start: prefix.bytes }), sink, { signal: io.signal });
      });
      io.stdout(`${answer.keyId}\n`);
    });
  },
};

function formOf(text: string | undefined): string | undefined {
  if (text === undefined || text === 'self-contained' || text === 'compact') return text;
  throw new ConfigError(`--form must be self-contained or compact, not ${text}`);
}

async function readPrefix(path: string): Promise<StreamPrefix> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_PREFIX_BYTES), 0, MAX_PREFIX_BYTES, 0);
    const prefix = decodePrefix(buffer.subarray(0, bytesRead));
    if (prefix) return prefix;
    throw new ServiceError('malformed-ciphertext', `${path} ends within its header`);
  } finally {
    await file.close();
  }
}
