import { hash } from 'node:crypto';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { ConfigError } from '../../config/load-config.ts';
import { keyLine } from '../../keyring/key-line.ts';
import type { StoredKey } from '../../keyring/keyring-store.ts';
import { recordSuccess } from '../../operations/record-success.ts';
import { amount } from '../support/audit-report.ts';
import type { CommandIo } from '../support/command.ts';
import type { Tools } from '../support/open-tools.ts';
import { outputTaken } from '../support/output-taken.ts';
import { writeWhole } from '../support/whole-file.ts';
import { showCount } from './show-count.ts';

export interface ExportFlags {
  readonly output?: string | undefined;
  readonly force: boolean;
  readonly acknowledge: boolean;
}

const PAGE = 500;

/** Keys without a copy that the output has, by tenant: each id with the digest of its JWE. */
type Uncopied = Map<string, Map<string, string>>;

/**
 * Writes every stored key of all tenants, or of one, as a line. Once the output is complete,
 * `--acknowledge` notes that these keys are copied.
 */
export async function exportKeys(
  tools: Tools,
  tenantId: string | undefined,
  flags: ExportFlags,
  io: CommandIo,
): Promise<number> {
  const uncopied: Uncopied = new Map();
  let written = 0;
  const write = async (sink: Writable) => {
    written = await writeKeys(tools, tenantId, sink, uncopied, io);
  };
  if (flags.output === undefined) {
    const sink = io.stdoutBytes();
    await write(sink);
    await outputTaken(sink);
  } else {
    await writeWhole(resolve(io.cwd, flags.output), flags.force, io, async (sink) => {
      await write(sink);
      sink.end();
    });
  }
  const copied = flags.acknowledge ? await acknowledge(tools, uncopied) : 0;
  await recordSuccess(tools, tools.call(), { operation: 'branch-keys-export', tenantId });
  io.stderr(`${amount(written, 'key')} exported${flags.acknowledge ? `, ${copied} of them newly copied` : ''}\n`);
  return 0;
}

/** Returns the number of keys. @throws ConfigError if it was stopped before the end */
async function writeKeys(
  { keyring }: Tools,
  tenantId: string | undefined,
  sink: Writable,
  uncopied: Uncopied,
  io: CommandIo,
): Promise<number> {
  let keys: readonly StoredKey[];
  let after: StoredKey | undefined;
  let written = 0;
  do {
    if (io.signal.aborted) throw new ConfigError('Stopped before the end: the export is incomplete');
    keys = (await keyring.keys.page(PAGE, after, tenantId)).keys;
    after = keys.at(-1);
    if (!sink.write(keys.map((key) => `${keyLine(key)}\n`).join(''))) await once(sink, 'drain');
    for (const key of keys) {
      if (key.jwe === undefined || key.isCopied) continue;
      uncopied.getOrInsertComputed(key.tenantId, () => new Map()).set(key.id, hash('sha256', key.jwe, 'base64url'));
    }
    written += keys.length;
    showCount(written, 'exported', io);
  } while (keys.length === PAGE);
  return written;
}

/** Marks the exported keys whose JWE is still the exported one; returns their number. */
async function acknowledge({ keyring }: Tools, uncopied: Uncopied): Promise<number> {
  let copied = 0;
  for (const [tenantId, digests] of uncopied) {
    const ids = [...digests.keys()];
    for (let at = 0; at < ids.length; at += PAGE) {
      const { keys } = await keyring.keys.find(tenantId, ids.slice(at, at + PAGE));
      const same = keys.flatMap(({ jwe, ...key }) =>
        jwe !== undefined && hash('sha256', jwe, 'base64url') === digests.get(key.id) ? [{ ...key, jwe }] : [],
      );
      await keyring.keys.markCopied(same);
      copied += same.length;
    }
  }
  return copied;
}
