import { systemClock } from '../../lib/clock.ts';
import type { KeysMoved } from '../../operations/branches/move-branch-keys.ts';
import { rewrapBranchKeys } from '../../operations/branches/rewrap-branch-keys.ts';
import type { CommandIo } from '../support/command.ts';
import { openKeyring } from '../support/open-keyring.ts';
import type { Tools } from '../support/open-tools.ts';

/**
 * Moves a tenant's stored keys to the newest version of their key, or to the key `to`, with a line
 * of progress for each part of the work.
 */
export async function rewrapKeys(
  tools: Tools,
  tenantId: string,
  to: string | undefined,
  io: CommandIo,
): Promise<number> {
  await using keyring = await openKeyring(tools);
  const deps = { ...tools, ...keyring, clock: systemClock };
  let moved = 0;
  let result: KeysMoved;
  do {
    const input = { tenantId, to: to === undefined ? undefined : { key: to } };
    result = await rewrapBranchKeys(deps, tools.call(), input);
    moved += result.moved;
    io.progress(`${moved} keys moved`);
    if (!result.isComplete && !io.isStderrTerminal) io.stderr(`${moved} keys moved\n`);
  } while (!result.isComplete && !io.signal.aborted);
  for (const { branchId, keyId, code, reason } of result.stayingKeys) {
    io.stdout(`${tenantId} ${branchId}: not moved from ${keyId} (${reason ?? code})\n`);
  }
  const isStopped = !result.isComplete;
  const current = result.current + result.moved - moved;
  io.stdout(`${tenantId}: ${moved} moved, ${current} already current, ${result.staying} not moved\n`);
  if (isStopped) io.stderr('branch-keys rewrap: stopped before the end; run it again\n');
  return isStopped || result.staying > 0 ? 1 : 0;
}
