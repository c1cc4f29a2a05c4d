import { type FieldError, ServiceError } from '../errors.ts';

const MAX_MEMBERS = 64;
const MAX_NAME = 128; // UTF-16 code units
const MAX_VALUE = 1_024; // UTF-16 code units
const MAX_CANONICAL_BYTES = 4_096;

/**
 * Returns the canonical form (RFC 8785) of an encryption context as UTF-8 bytes. An empty one equals none: undefined.
 * Takes the value as `JSON.parse` made it, since a schema library's copy silently drops a member named `__proto__`.
 *
 * @throws ServiceError `malformed-request`, with the position of the member, never its name or value
 */
export function canonicalContext(context: unknown): Buffer | undefined {
  if (context === undefined) return undefined;
  if (typeof context !== 'object' || context === null || Array.isArray(context)) {
    throw malformed('an encryption context is an object of strings');
  }
  const names = Object.keys(context);
  if (names.length === 0) return undefined;
  if (names.length > MAX_MEMBERS) throw malformed(`at most ${MAX_MEMBERS} members, here are ${names.length}`);
  const members = context as Readonly<Record<string, unknown>>;
  names.forEach((name, index) => {
    const problem = problemOf(name, members[name]);
    if (problem) throw malformed(`member ${index + 1}: ${problem}`);
  });
  // RFC 8785 §3.2.3 sorts by UTF-16 code units, as `<` compares; §3.2.2.2 writes strings as JSON.stringify does.
  const pairs = names
    .sort((a, b) => (a < b ? -1 : 1))
    .map((name) => `${JSON.stringify(name)}:${JSON.stringify(members[name])}`);
  const canonical = Buffer.from(`{${pairs.join(',')}}`, 'utf8');
  if (canonical.length > MAX_CANONICAL_BYTES) {
    throw malformed(`at most ${MAX_CANONICAL_BYTES} bytes in canonical form (RFC 8785), here are ${canonical.length}`);
  }
  return canonical;
}

function problemOf(name: string, value: unknown): string | undefined {
  if (name === '') return 'a name is 1 to 128 characters long';
  if (name.length > MAX_NAME) return 'a name is 1 to 128 characters long';
  if (!name.isWellFormed()) return 'a name is well-formed Unicode';
  if (name === '__proto__' || name.startsWith('vaultspan')) return 'this name is reserved';
  if (typeof value !== 'string') return 'a value is a string';
  if (value.length > MAX_VALUE) return `a value is at most ${MAX_VALUE} characters long`;
  if (!value.isWellFormed()) return 'a value is well-formed Unicode';
  return undefined;
}

function malformed(detail: string): ServiceError {
  const error: FieldError = { pointer: '/encryptionContext', detail };
  return new ServiceError('malformed-request', `encryptionContext: ${detail}`, { errors: [error] });
}
