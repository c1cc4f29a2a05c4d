import { ServiceError } from '../../errors.ts';
import { pointerOf } from '../../lib/parse-input.ts';
import type { Soon } from '../../lib/when-ready.ts';
import type { ItemUse } from '../batch.ts';

/** Fields of a document by name. */
export type Fields<T> = ReadonlyMap<string, T>;

/** The result of one field, and the data for its audit record. */
export interface FieldOutcome<T> {
  readonly value: T;
  readonly use: ItemUse;
}

/** The result of a document: all of its fields, because one failure fails the whole. */
export interface DocumentOutcome<T> {
  readonly fields: Fields<T>;
  readonly uses: readonly ItemUse[];
}

/**
 * Returns the results of all fields, run in turn.
 * @throws ServiceError of the first field that fails, with a pointer to it
 */
export async function eachField<I, T>(
  fields: Fields<I>,
  run: (field: I, name: string) => Soon<FieldOutcome<T>>,
): Promise<DocumentOutcome<T>> {
  const values = new Map<string, T>();
  const uses: ItemUse[] = [];
  for (const [name, field] of fields) {
    try {
      const running = run(field, name);
      const { value, use } = running instanceof Promise ? await running : running;
      values.set(name, value);
      uses.push(use);
    } catch (error) {
      throw error instanceof ServiceError ? atField(error, name) : error;
    }
  }
  return { fields: values, uses };
}

/**
 * Returns the failure with its pointers at the field; a failure of the whole, such as a refused
 * vault, has none.
 */
function atField(error: ServiceError, name: string): ServiceError {
  if (error.errors === undefined && error.code !== 'undecryptable') return error;
  const detail = error.errors?.[0]?.detail ?? 'does not open';
  return error.with({ errors: [{ pointer: pointerOf(['fields', name]), detail }] });
}

/** Returns the key version of a sealed document, which has one. */
export const keyIdOf = (uses: readonly ItemUse[]): string => uses[0]?.keyId ?? '';

/**
 * Returns whether all fields were sealed under one key version: a rotation may come between two of
 * them.
 */
export const haveOneKey = (uses: readonly ItemUse[]): boolean => new Set(uses.map(({ keyId }) => keyId)).size <= 1;
