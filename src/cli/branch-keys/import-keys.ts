import { resolve } from 'node:path';
import { ConfigError } from '../../config/load-config.ts';
import { copyFiles, readCopies } from '../../keyring/copies/read-copies.ts';
import type { LinedKey } from '../../keyring/key-line.ts';
import type { BranchEvent, NewStoredKey } from '../../keyring/keyring-store.ts';
import { statIfThere } from '../../lib/gone-files.ts';
import { branchEventOf } from '../../operations/branches/branch-event.ts';
import { type Imported, importBranchKeys } from '../../operations/branches/import-branch-keys.ts';
import type { CommandIo } from '../support/command.ts';
import { openKeyring, tenantOfKeys } from '../support/open-keyring.ts';
import type { Tools } from '../support/open-tools.ts';
import { showCount } from './show-count.ts';

/** Imports an export, or every file of a folder of copies. It can be repeated. */
export async function importKeys(tools: Tools, path: string, io: CommandIo): Promise<number> {
  const files = await filesOf(resolve(io.cwd, path));
  await using keyring = await openKeyring(tools);
  const request = tools.call();
  const deps = {
    ...tools,
    ...keyring,
    tenantOfKeys: (id: string) => tenantOfKeys(tools, id),
    onEvent: (event: BranchEvent, key: NewStoredKey) => tools.audit.record(branchEventOf(event, key, request)),
  };
  const counts: Record<Imported, number> = {
    added: 0,
    'added-unopened': 0,
    replaced: 0,
    present: 0,
    destroyed: 0,
    rejected: 0,
  };
  let lines = 0;
  for await (const { line, outcome } of importBranchKeys(deps, () => linesOf(files))) {
    if (io.signal.aborted) break;
    counts[outcome] += 1;
    lines += 1;
    if (outcome === 'rejected') io.stderr(`${line ? `${line.tenantId} ${line.id}` : `line ${lines}`}: ${REJECTED}\n`);
    showCount(lines, 'read', io);
  }
  const { added, 'added-unopened': unopened, replaced, present, destroyed, rejected } = counts;
  const notOpened = unopened === 0 ? '' : ` and ${unopened} that the vault cannot open now`;
  io.stdout(
    `${added} added${notOpened}, ${replaced} replaced, ${present} present, ${destroyed} destroyed, ${rejected} rejected\n`,
  );
  if (io.signal.aborted) io.stderr('branch-keys import: stopped before the end; run it again\n');
  return rejected === 0 && !io.signal.aborted ? 0 : 1;
}

const REJECTED = 'rejected: damaged, or of another deployment';

/** Returns the files, newest first: the newest JWE of a key is most likely to open. */
async function filesOf(path: string): Promise<readonly string[]> {
  const found = await statIfThere(path);
  if (!found) throw new ConfigError(`There is no file or folder ${path}`);
  return found.isDirectory() ? copyFiles(path) : [path];
}

async function* linesOf(files: readonly string[]): AsyncGenerator<LinedKey | undefined> {
  for (const file of files) yield* readCopies(file);
}
