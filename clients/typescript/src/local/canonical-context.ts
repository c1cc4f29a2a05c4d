import type { EncryptionContext } from '../context.ts';
import { VaultspanError } from '../errors.ts';

const MAX_MEMBERS = 64;
const MAX_NAME = 128; // UTF-16 code units, as all lengths here
const MAX_VALUE = 1_024;
const MAX_BYTES = 4_096;
const MAX_FIELDS = 256;
const FIELD = 'vaultspan:field';

/**
 * Returns the canonical form (RFC 8785) of a context, as the service computes it; empty text for none.
 * @throws VaultspanError `malformed-request` for what the service would refuse
 */
export function canonicalContext(
  context: EncryptionContext | undefined,
  required: readonly string[] | undefined,
): string {
  const names = namesOf(context, required);
  if (context === undefined || names.length === 0) return '';
  let text = '';
  for (const name of names) text += `${text === '' ? '{' : ','}${memberOf(context, name)}`;
  return bounded(`${text}}`);
}

/** Returns a function that returns the canonical context of a record's field, which is bound to its name. */
export function fieldContexts(
  context: EncryptionContext | undefined,
  required: readonly string[] | undefined,
  fields: number,
): (name: string) => string {
  if (fields > MAX_FIELDS) throw malformed(`/fields`, `must have at most ${MAX_FIELDS} fields, got ${fields}`);
  let before = '';
  let after = '';
  for (const name of namesOf(context, required)) {
    const member = memberOf(context as EncryptionContext, name);
    if (name < FIELD) before += `${member},`;
    else after += `,${member}`;
  }
  // The limit holds for the caller's part: one comma is in the place of the other brace.
  bounded(`{${before}${after}`);
  const start = `{${before}"${FIELD}":`;
  const end = `${after}}`;
  return (name) => {
    if (name === '__proto__' || name.length < 1 || name.length > MAX_NAME || !isWellFormed(name)) {
      throw malformed('/fields', `a field's name must have 1 to ${MAX_NAME} characters of well-formed Unicode`);
    }
    return `${start}${JSON.stringify(name)}${end}`;
  };
}

/** Returns the names of the members, sorted by UTF-16 code units (RFC 8785 §3.2.3). */
function namesOf(context: EncryptionContext | undefined, required: readonly string[] | undefined): readonly string[] {
  const names = context === undefined ? [] : Object.keys(context);
  for (const name of required ?? []) {
    if (!names.includes(name)) throw malformed('/encryptionContext', `must have the member ${name}`);
  }
  if (names.length > MAX_MEMBERS) throw malformed('/encryptionContext', `at most ${MAX_MEMBERS} members`);
  return names.length < 2 ? names : names.sort(byCodeUnit);
}

/** Returns a member as the canonical form has it. */
function memberOf(context: EncryptionContext, name: string): string {
  const value = context[name];
  const fault = faultOf(name, value);
  if (fault !== undefined) throw malformed('/encryptionContext', fault);
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`;
}

function faultOf(name: string, value: unknown): string | undefined {
  if (name.length < 1 || name.length > MAX_NAME) return `a name must have 1 to ${MAX_NAME} characters`;
  if (name === '__proto__' || name.startsWith('vaultspan')) return 'a name is reserved';
  if (typeof value !== 'string' || value.length > MAX_VALUE) {
    return `a value must be a string of at most ${MAX_VALUE} characters`;
  }
  if (!isWellFormed(name) || !isWellFormed(value)) return 'names and values must be well-formed Unicode';
  return undefined;
}

function bounded(canonical: string): string {
  // A code unit has at most 3 bytes.
  if (canonical.length * 3 > MAX_BYTES && Buffer.byteLength(canonical) > MAX_BYTES) {
    throw malformed('/encryptionContext', `must have at most ${MAX_BYTES} bytes in canonical form (RFC 8785)`);
  }
  return canonical;
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : 1;
}

function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}

/** The refusal that the service would give; it names no member's value. */
function malformed(pointer: string, detail: string): VaultspanError {
  return new VaultspanError({
    code: 'malformed-request',
    message: `malformed-request: ${pointer.slice(1)} ${detail}`,
    errors: [{ pointer, detail }],
  });
}
