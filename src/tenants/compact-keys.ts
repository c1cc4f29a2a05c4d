import { type FieldError, ServiceError } from '../errors.ts';
import type { RegisteredKey } from './record.ts';

/** A record as far as it says which form messages have, and which indexes there are. */
interface RecordWithForms {
  readonly indexes?: Readonly<Record<string, unknown>> | undefined;
  readonly keys: Readonly<Record<string, Pick<RegisteredKey, 'form'> | { readonly form?: string | undefined }>>;
}

/**
 * Returns a problem for each compact key and each index of a record, if this deployment has a
 * reason to refuse them. Without a shared database and copies of it, compact messages and look-ups
 * would be lost.
 */
export function compactProblems({ keys, indexes = {} }: RecordWithForms, obstacle: string | undefined): FieldError[] {
  if (obstacle === undefined) return [];
  const compact = Object.entries(keys).filter(([, { form }]) => form === 'compact');
  return [
    ...compact.map(([alias]) => ({ pointer: `/keys/${alias}/form`, detail: obstacle })),
    ...Object.keys(indexes).map((name) => ({
      pointer: `/indexes/${name}`,
      detail: `an index needs the same as a compact key: ${obstacle}`,
    })),
  ];
}

/**
 * Checks that a record may be stored in this deployment.
 * @throws ServiceError `malformed-request`
 */
export function assertFormsKept(record: RecordWithForms, obstacle: string | undefined): void {
  const errors = compactProblems(record, obstacle);
  if (errors.length === 0) return;
  throw new ServiceError('malformed-request', 'This deployment keeps no keys for compact messages and indexes', {
    errors,
  });
}
