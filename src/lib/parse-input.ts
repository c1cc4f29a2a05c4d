import type * as z from 'zod';
import { type FieldError, ServiceError } from '../errors.ts';
import { nearestName } from './nearest-name.ts';

const MAX_ERRORS = 16;
const MAX_NAME = 64;

/**
 * Returns the parsed value. Otherwise the error names at most 16 invalid fields, so that a body of
 * only unknown members costs little more. `place` precedes the pointers: '' for the body.
 * @throws ServiceError `malformed-request`
 */
export function parseInput<T extends z.ZodType>(
  schema: T,
  value: unknown,
  place: '' | '/path' | '/query',
): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const placed = faultsOf(schema, value).map(({ pointer, detail }) => ({ pointer: place + pointer, detail }));
  throw new ServiceError('malformed-request', `The request is malformed: ${summary(placed)}`, { errors: placed });
}

/**
 * Returns the faults after a second parse, for our own messages: a valid value costs nothing for
 * them.
 */
function faultsOf(schema: z.ZodType, value: unknown): FieldError[] {
  const knownNames = new Map<string, readonly string[]>();
  const { error } = schema.safeParse(value, {
    error: (issue) => {
      if (issue.code === 'unrecognized_keys') knownNames.set(pointerOf(issue.path ?? []), namesOf(issue.inst));
      return messageOf(issue);
    },
  });
  const faults: FieldError[] = [];
  for (const issue of error?.issues ?? []) {
    const pointer = pointerOf(issue.path);
    const unknown = issue.code === 'unrecognized_keys' ? issue.keys : [];
    for (const key of unknown.slice(0, MAX_ERRORS - faults.length)) {
      faults.push(unknownField(pointer, key, knownNames.get(pointer) ?? []));
    }
    if (issue.code !== 'unrecognized_keys') faults.push({ pointer, detail: issue.message });
    if (faults.length >= MAX_ERRORS) break;
  }
  return faults;
}

/** Returns the member names of an object's schema. */
function namesOf(schema: unknown): readonly string[] {
  const { shape } = schema as { readonly shape?: object };
  return Object.keys(shape ?? {});
}

function unknownField(pointer: string, key: string, known: readonly string[]): FieldError {
  const name = key.slice(0, MAX_NAME);
  const near = nearestName(name, known);
  const hint = near === undefined ? '' : `; did you mean \`${near}\`?`;
  return { pointer: `${pointer}${pointerOf([name])}`, detail: `Unknown field \`${name}\`${hint}` };
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'must be a string',
  number: 'must be a number',
  int: 'must be a whole number',
  boolean: 'must be true or false',
  array: 'must be an array',
  object: 'must be an object',
  record: 'must be an object',
};

/** Returns the problem in our words; the schema's own message takes precedence. */
export function messageOf(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is required' : (TYPES[issue.expected] ?? 'has the wrong type');
    case 'too_big':
      return sizeMessage(issue.origin, 'at most', Number(issue.maximum));
    case 'too_small':
      return issue.origin === 'string' && issue.minimum === 1
        ? 'must not be empty'
        : sizeMessage(issue.origin, 'at least', Number(issue.minimum));
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    case 'invalid_format':
      return issue.format === 'guid' ? 'must be a GUID' : 'has the wrong format';
    case 'invalid_key':
      return issue.issues[0]?.message ?? 'has the wrong name';
    case 'custom':
    case 'invalid_element':
    case 'invalid_union':
    case 'not_multiple_of':
    case 'unrecognized_keys':
      return 'is not valid';
  }
}

function sizeMessage(origin: string, bound: string, size: number): string {
  if (origin === 'string') return `must have ${bound} ${size} characters`;
  if (origin === 'array') return `must have ${bound} ${size} items`;
  return `must be ${bound} ${size}`;
}

/** Returns the JSON pointer of a path (RFC 6901 §3). */
export const pointerOf = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

const summary = (errors: readonly FieldError[]): string =>
  errors
    .slice(0, 3)
    .map(({ pointer, detail }) => `${pointer === '' ? 'the body' : pointer}: ${detail}`)
    .join('; ');
