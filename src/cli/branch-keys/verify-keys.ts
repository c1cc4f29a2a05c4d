import { type VerifiedKey, verifyBranchKeys } from '../../operations/branches/verify-branch-keys.ts';
import { recordSuccess } from '../../operations/record-success.ts';
import { amount } from '../support/audit-report.ts';
import type { CommandIo } from '../support/command.ts';
import { openKeyring, tenantOfKeys } from '../support/open-keyring.ts';
import type { Tools } from '../support/open-tools.ts';
import { showCount } from './show-count.ts';

type State = VerifiedKey['state'];

/** Opens every stored key of all tenants, or of one, and prints those that do not open. */
export async function verifyKeys(tools: Tools, tenantId: string | undefined, io: CommandIo): Promise<number> {
  await using keyring = await openKeyring(tools);
  const deps = { ...tools, ...keyring, tenantOfKeys: (id: string) => tenantOfKeys(tools, id) };
  const counts: Record<State, number> = { opens: 0, destroyed: 0, refused: 0, damaged: 0, unknown: 0 };
  let checked = 0;
  for await (const verified of verifyBranchKeys(deps, tenantId)) {
    if (io.signal.aborted) break;
    counts[verified.state] += 1;
    checked += 1;
    if (verified.state !== 'opens' && verified.state !== 'destroyed') io.stdout(`${lineOf(verified)}\n`);
    showCount(checked, 'checked', io);
  }
  await recordSuccess(tools, tools.call(), { operation: 'branch-keys-verify', tenantId });
  const { opens, destroyed, refused, damaged, unknown } = counts;
  const isGood = refused + damaged + unknown === 0;
  const bad = `, ${refused} refused by their vault, ${damaged} damaged, ${unknown} not checked`;
  io.stdout(`${amount(checked, 'key')}: ${opens} open, ${destroyed} destroyed${isGood ? '' : bad}\n`);
  if (io.signal.aborted) io.stderr('branch-keys verify: stopped before the end\n');
  return isGood && !io.signal.aborted ? 0 : 1;
}

const lineOf = ({ key: { tenantId, id, label, kid }, state, code, reason }: VerifiedKey): string =>
  `${tenantId} ${id} (${label}): ${TEXTS[state]}${code === undefined ? '' : `, ${reason ?? code}`}; under ${kid}`;

const TEXTS: Readonly<Record<State, string>> = {
  opens: 'opens',
  destroyed: 'destroyed',
  refused: 'the vault refuses its key version',
  damaged: 'does not open: import a copy of it',
  unknown: 'not checked',
};
