import { type FieldError, ServiceError } from '../errors.ts';

const MAX_MEMBERS = 64;
const MAX_NAME = 128; // UTF-16 code units
const MAX_VALUE = 1_024; // UTF-16 code units
const MAX_CANONICAL_BYTES = 4_096;

/** A member as the canonical form writes it. */
interface Member {
  readonly name: string;
  readonly json: string;
}

/** The reserved member that binds a field of a document. Callers' names never begin so. */
const FIELD = 'vaultspan:field';

/**
 * Returns the canonical form (RFC 8785) of an encryption context as UTF-8 bytes. An empty one
 * equals none: undefined. Takes the value as `JSON.parse` made it, since a schema library's copy
 * silently drops a member named `__proto__`.
 * @throws ServiceError `malformed-request`, with the position of the member, never its name or
 * value
 */
export function canonicalContext(context: unknown): Buffer | undefined {
  const members = membersOf(context);
  return members.length === 0 ? undefined : bounded(members);
}

/**
 * Returns a function that returns the canonical context of a document's field: the caller's context
 * and the reserved member `vaultspan:field`. The limits hold for the caller's part.
 * @throws ServiceError as canonicalContext
 */
export function fieldContexts(context: unknown): (field: string) => Buffer {
  const members = membersOf(context);
  bounded(members);
  const text = (some: readonly Member[]) => some.map(({ json }) => json).join(',');
  const before = members.filter(({ name }) => name < FIELD);
  const after = members.filter(({ name }) => name > FIELD);
  const start = `{${text(before)}${before.length === 0 ? '' : ','}${JSON.stringify(FIELD)}:`;
  const end = `${after.length === 0 ? '' : ','}${text(after)}}`;
  return (field) => Buffer.from(`${start}${JSON.stringify(field)}${end}`, 'utf8');
}

/** Returns the members, checked, in the order of the canonical form. */
function membersOf(context: unknown): readonly Member[] {
  if (context === undefined) return [];
  if (typeof context !== 'object' || context === null || Array.isArray(context)) {
    throw malformed('must be an object of strings');
  }
  const names = Object.keys(context);
  if (names.length > MAX_MEMBERS) throw malformed(`at most ${MAX_MEMBERS} members, got ${names.length}`);
  const values = context as Readonly<Record<string, unknown>>;
  names.forEach((name, index) => {
    const problem = problemOf(name, values[name]);
    if (problem) throw malformed(`member ${index + 1}: ${problem}`);
  });
  // RFC 8785 §3.2.3 sorts by UTF-16 code units, as `<` compares; §3.2.2.2 writes strings as
  // JSON.stringify does.
  return names
    .sort((a, b) => (a < b ? -1 : 1))
    .map((name) => ({ name, json: `${JSON.stringify(name)}:${JSON.stringify(values[name])}` }));
}

function bounded(members: readonly Member[]): Buffer {
  const canonical = Buffer.from(`{${members.map(({ json }) => json).join(',')}}`, 'utf8');
  if (canonical.length > MAX_CANONICAL_BYTES) {
    throw malformed(`at most ${MAX_CANONICAL_BYTES} bytes in canonical form (RFC 8785), got ${canonical.length}`);
  }
  return canonical;
}

function problemOf(name: string, value: unknown): string | undefined {
  if (name === '') return 'a name must have 1 to 128 characters';
  if (name.length > MAX_NAME) return 'a name must have 1 to 128 characters';
  if (!name.isWellFormed()) return 'a name must be well-formed Unicode';
  if (name === '__proto__' || name.startsWith('vaultspan')) return 'this name is reserved';
  if (typeof value !== 'string') return 'a value must be a string';
  if (value.length > MAX_VALUE) return `a value may have at most ${MAX_VALUE} characters`;
  if (!value.isWellFormed()) return 'a value must be well-formed Unicode';
  return undefined;
}

function malformed(detail: string): ServiceError {
  const error: FieldError = { pointer: '/encryptionContext', detail };
  return new ServiceError('malformed-request', `encryptionContext: ${detail}`, { errors: [error] });
}
