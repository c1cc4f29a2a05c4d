import { type FieldError, ServiceError } from '../errors.ts';
import type { RegisteredKey } from './record.ts';

/** The reasons that records may not have some members in this deployment; absent: they may. */
export interface RecordObstacles {
  /** Against compact keys and indexes. */
  readonly compact?: string | undefined;
  readonly siem?: string | undefined;
}

/** The members of a record that a deployment may refuse. */
interface RecordMembers {
  readonly indexes?: Readonly<Record<string, unknown>> | undefined;
  readonly keys: Readonly<Record<string, Pick<RegisteredKey, 'form'> | { readonly form?: string | undefined }>>;
  readonly siem?: unknown;
}

/**
 * Returns a problem for each member that this deployment has a reason to refuse. Without a shared
 * database and copies of it, compact messages and look-ups would be lost; without deliveries, a
 * customer would wait for its records.
 */
export function problemsOfRecord(
  { keys, indexes = {}, siem }: RecordMembers,
  obstacles: RecordObstacles,
): FieldError[] {
  const { compact } = obstacles;
  const problems: FieldError[] = [];
  if (siem !== undefined && obstacles.siem !== undefined) problems.push({ pointer: '/siem', detail: obstacles.siem });
  if (compact === undefined) return problems;
  const aliases = Object.entries(keys).filter(([, { form }]) => form === 'compact');
  return [
    ...problems,
    ...aliases.map(([alias]) => ({ pointer: `/keys/${alias}/form`, detail: compact })),
    ...Object.keys(indexes).map((name) => ({
      pointer: `/indexes/${name}`,
      detail: `an index needs the same as a compact key: ${compact}`,
    })),
  ];
}

/**
 * Checks that a record may be stored in this deployment.
 * @throws ServiceError `malformed-request`
 */
export function assertKept(record: RecordMembers, obstacles: RecordObstacles): void {
  const errors = problemsOfRecord(record, obstacles);
  if (errors.length === 0) return;
  throw new ServiceError('malformed-request', 'This deployment does not serve some members of the record', { errors });
}
