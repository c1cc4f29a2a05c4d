import { type FieldError, ServiceError } from '../errors.ts';
import type { RegisteredKey } from './record.ts';

/** A record as far as its keys say which form messages have. */
interface RecordWithForms {
  readonly keys: Readonly<Record<string, Pick<RegisteredKey, 'form'> | { readonly form?: string | undefined }>>;
}

/**
 * Returns a problem for each compact key of a record, if this deployment has a reason to refuse
 * them: without a shared database and copies of it, compact messages would be lost.
 */
export function compactProblems({ keys }: RecordWithForms, obstacle: string | undefined): FieldError[] {
  if (obstacle === undefined) return [];
  const compact = Object.entries(keys).filter(([, { form }]) => form === 'compact');
  return compact.map(([alias]) => ({ pointer: `/keys/${alias}/form`, detail: obstacle }));
}

/**
 * Checks that a record may be stored in this deployment.
 * @throws ServiceError `malformed-request`
 */
export function assertFormsKept(record: RecordWithForms, obstacle: string | undefined): void {
  const errors = compactProblems(record, obstacle);
  if (errors.length === 0) return;
  throw new ServiceError('malformed-request', 'This deployment keeps no branch keys for compact messages', { errors });
}
