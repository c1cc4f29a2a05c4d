import { hash } from 'node:crypto';
import { TENANT_TAG } from '../../tenants/azure-commands.ts';

/**
 * An operation on a key, as the customer's policy distinguishes them. A `check` uses a sample of our
 * own, and nobody's data.
 */
export type PolicedOperation = 'encrypt' | 'decrypt' | 'wrap' | 'unwrap' | 'data-key' | 'lease' | 'index' | 'check';

/** A claim about an access that a policy can require. */
export type PolicedClaim = 'subject' | 'reason' | 'label';

/**
 * What a customer allows on its key, beside what Azure allows: it only takes away from what the
 * tenant's record says.
 */
export interface KeyPolicy {
  /** First 16 hex digits of the SHA-256 of the tags, each as `NAME=VALUE` and LF, sorted by name. */
  readonly hash: string;
  /** As the customer wrote them. */
  readonly tags: Readonly<Record<string, string>>;
  readonly boundMs: number | undefined;
  readonly refused: ReadonlySet<'lease' | 'data-key'>;
  readonly requiredContext: readonly string[];
  readonly requiredAccess: readonly PolicedClaim[];
  /** In the form in which they are compared. */
  readonly denied: readonly (readonly [name: string, value: string])[];
  readonly operations: ReadonlySet<string> | undefined;
}

/** A tag that no policy can be read from. */
export interface UnreadableTag {
  readonly unreadable: string;
}

/** The names of the tags, one for each rule. */
export const POLICY_TAGS = {
  bound: 'vaultspan-bound',
  leases: 'vaultspan-leases',
  dataKeys: 'vaultspan-data-keys',
  requiredContext: 'vaultspan-require-context',
  requiredAccess: 'vaultspan-require-access',
  denied: 'vaultspan-deny',
  operations: 'vaultspan-operations',
} as const;

/** The limit of a tag's value in Key Vault. */
const MAX_VALUE = 256;
const HASH_DIGITS = 16;
const SECONDS = /^(?:0|[1-9][0-9]{0,5})$/;
/** Also names of another case and without the hyphen: a typing error must not be overlooked. */
const OURS = /^vaultspan/i;
const KNOWN: ReadonlySet<string> = new Set(Object.values(POLICY_TAGS));
const CLAIMS: ReadonlySet<string> = new Set(['subject', 'reason', 'label']);
const OPERATIONS: ReadonlySet<string> = new Set(['encrypt', 'decrypt', 'wrap', 'unwrap']);

/**
 * Returns the policy in a key's tags; undefined if no tag is about one. An unknown name or value is
 * reported instead of skipped, so that a typing error never widens access.
 */
export function policyOf(all: Readonly<Record<string, string>>): KeyPolicy | UnreadableTag | undefined {
  const names = Object.keys(all).filter((name) => OURS.test(name) && name !== TENANT_TAG);
  if (names.length === 0) return undefined;
  const tags = Object.fromEntries(names.sort().map((name) => [name, all[name] ?? '']));
  const unreadable = names.find((name) => !isReadable(name, tags[name] ?? ''));
  if (unreadable !== undefined) return { unreadable };
  const lines = names.map((name) => `${name}=${tags[name]}\n`).join('');
  const bound = tags[POLICY_TAGS.bound];
  const operations = tags[POLICY_TAGS.operations];
  return {
    hash: hash('sha256', lines, 'hex').slice(0, HASH_DIGITS),
    tags,
    boundMs: bound === undefined ? undefined : Number(bound) * 1_000,
    refused: new Set([
      ...(POLICY_TAGS.leases in tags ? (['lease'] as const) : []),
      ...(POLICY_TAGS.dataKeys in tags ? (['data-key'] as const) : []),
    ]),
    requiredContext: listOf(tags[POLICY_TAGS.requiredContext]),
    requiredAccess: listOf(tags[POLICY_TAGS.requiredAccess]) as readonly PolicedClaim[],
    denied: listOf(tags[POLICY_TAGS.denied]).map(pairOf),
    operations: operations === undefined ? undefined : new Set(listOf(operations)),
  };
}

/** Returns the form in which denied values are compared: spelling and case are no way around them. */
export const comparable = (text: string): string => text.normalize('NFKC').trim().toLowerCase();

function isReadable(name: string, value: string): boolean {
  if (!KNOWN.has(name) || value.length > MAX_VALUE || !value.isWellFormed()) return false;
  const items = listOf(value);
  switch (name) {
    case POLICY_TAGS.bound:
      return SECONDS.test(value);
    case POLICY_TAGS.leases:
    case POLICY_TAGS.dataKeys:
      return value === 'refused';
    case POLICY_TAGS.requiredAccess:
      return items.every((item) => CLAIMS.has(item));
    case POLICY_TAGS.operations:
      return items.every((item) => OPERATIONS.has(item));
    case POLICY_TAGS.denied:
      return items.every((item) => pairOf(item).every((part) => part !== ''));
    default:
      return items.every((item) => item !== '' && !OURS.test(item));
  }
}

/** Returns the items of a list; an empty value is a list of one empty item. */
const listOf = (value: string | undefined): readonly string[] =>
  value === undefined ? [] : value.split(',').map((item) => item.trim());

/** Returns the name and the value of a pair; without `=` the value is ''. */
function pairOf(item: string): readonly [string, string] {
  const at = item.indexOf('=');
  return at < 0 ? [item, ''] : [item.slice(0, at).trim(), comparable(item.slice(at + 1))];
}
