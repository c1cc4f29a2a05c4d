import type { CommandIo } from './command.ts';
import type { Tools } from './open-tools.ts';

interface Entry {
  /** RFC 3339. */
  readonly at: string;
  readonly text: string;
  readonly whole: object;
}

/**
 * Prints each change of a tenant's record with its author, and each change of its check state:
 * newest first.
 * @throws ConfigError, ServiceError
 */
export async function showHistory(tools: Tools, id: string, isJson: boolean, io: CommandIo): Promise<number> {
  const history = await tools.history(id);
  const changes = history.changes.map(({ revision, action, changedBy, changedAt, record }): Entry => {
    const at = new Date(changedAt).toISOString();
    const whole = { at, revision: String(revision), action, by: changedBy, record: JSON.parse(record) as unknown };
    return { at, text: `${action} by ${changedBy}, revision ${revision}`, whole };
  });
  const checks = history.checks.map((check): Entry => {
    return { at: check.checkedAt, text: `check ${check.state}`, whole: { at: check.checkedAt, check } };
  });
  const entries = [...changes, ...checks].sort((one, other) => Date.parse(other.at) - Date.parse(one.at));
  if (entries.length === 0) await tools.tenants.get(id); // fails for an unknown tenant
  for (const { at, text, whole } of entries) io.stdout(isJson ? `${JSON.stringify(whole)}\n` : `${at}  ${text}\n`);
  return 0;
}
