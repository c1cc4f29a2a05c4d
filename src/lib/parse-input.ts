import type * as z from 'zod';
import { type FieldError, ServiceError } from '../errors.ts';

const MAX_ERRORS = 16;
const MAX_NAME = 64;

/** The parsed value, or every field at fault. `place` is put before the pointers: '' for the body. @throws ServiceError `malformed-request` */
export function parseInput<T extends z.ZodType>(
  schema: T,
  value: unknown,
  place: '' | '/path' | '/query',
): z.output<T> {
  const parsed = schema.safeParse(value);
  const errors = parsed.success
    ? protoMember(value)
    : parsed.error.issues.flatMap((issue) => fieldErrors(issue, place));
  if (parsed.success && errors.length === 0) return parsed.data;
  throw new ServiceError('malformed-request', `The request is not well formed: ${summary(errors)}`, {
    errors: errors.slice(0, MAX_ERRORS),
  });
}

/** `JSON.parse` makes it a member like any other, and a schema library passes over it. */
function protoMember(value: unknown): FieldError[] {
  const isThere = typeof value === 'object' && value !== null && Object.hasOwn(value, '__proto__');
  return isThere ? [{ pointer: '/__proto__', detail: 'is no member of this request' }] : [];
}

function fieldErrors(issue: z.core.$ZodIssue, place: string): FieldError[] {
  const pointer = place + pointerOf(issue.path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      pointer: `${pointer}${pointerOf([key.slice(0, MAX_NAME)])}`,
      detail: 'is no member of this request',
    }));
  }
  return [{ pointer, detail: issue.message }];
}

/** RFC 6901 §3. */
const pointerOf = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

const summary = (errors: readonly FieldError[]): string =>
  errors
    .slice(0, 3)
    .map(({ pointer, detail }) => `${pointer === '' ? 'the body' : pointer}: ${detail}`)
    .join('; ');
