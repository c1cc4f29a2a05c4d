import type { Tenant } from '../api/types.ts';

/** A record as it stands in the form: five fields, and all other members as JSON. */
export interface RecordDraft {
  readonly displayName: string;
  readonly defaultKey: string;
  readonly revocationBoundSeconds: string;
  readonly checkIntervalSeconds: string;
  readonly requiredContext: string;
  readonly rest: string;
}

type Members = Readonly<Record<string, unknown>>;

/** What the service adds, or changes by calls of its own. */
const NOT_EDITED: ReadonlySet<string> = new Set([
  'id',
  'state',
  'revision',
  'createdAt',
  'updatedAt',
  'lastCheck',
  'siemDelivery',
  'quotaUse',
  'keyPolicies',
  'keyUsage',
  'branchKeys',
]);
const FIELDS: ReadonlySet<string> = new Set([
  'displayName',
  'defaultKey',
  'revocationBoundSeconds',
  'checkIntervalSeconds',
  'requiredContext',
]);

/** Returns the members of a tenant that an operator writes. */
export const editable = (tenant: Tenant): Members =>
  Object.fromEntries(Object.entries(tenant).filter(([name]) => !NOT_EDITED.has(name)));

export function draftOf(tenant: Tenant): RecordDraft {
  const rest = Object.entries(editable(tenant)).filter(([name]) => !FIELDS.has(name));
  return {
    displayName: tenant.displayName ?? '',
    defaultKey: tenant.defaultKey,
    revocationBoundSeconds: textOf(tenant.revocationBoundSeconds),
    checkIntervalSeconds: textOf(tenant.checkIntervalSeconds),
    requiredContext: (tenant.requiredContext ?? []).join(', '),
    rest: JSON.stringify(Object.fromEntries(rest), undefined, 2),
  };
}

export interface DraftFaults {
  readonly revocationBoundSeconds?: string;
  readonly checkIntervalSeconds?: string;
  readonly rest?: string;
}

/** Returns the members that the draft stands for, or what is wrong with it. */
export function membersOf(draft: RecordDraft): { readonly members: Members } | { readonly faults: DraftFaults } {
  const rest = parseObject(draft.rest);
  const faults: DraftFaults = {
    ...(isSeconds(draft.revocationBoundSeconds) ? {} : { revocationBoundSeconds: 'Must be a whole number of seconds' }),
    ...(isSeconds(draft.checkIntervalSeconds) ? {} : { checkIntervalSeconds: 'Must be a whole number of seconds' }),
    ...(typeof rest === 'string' ? { rest } : {}),
  };
  if (typeof rest === 'string' || Object.keys(faults).length > 0) return { faults };
  const names = draft.requiredContext.split(',').map((name) => name.trim());
  const fields = {
    displayName: draft.displayName.trim() || undefined,
    defaultKey: draft.defaultKey,
    revocationBoundSeconds: numberOf(draft.revocationBoundSeconds),
    checkIntervalSeconds: numberOf(draft.checkIntervalSeconds),
    requiredContext: names.filter((name) => name !== ''),
  };
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return { members: { ...rest, ...Object.fromEntries(given) } };
}

/** Returns the merge patch (RFC 7396) that turns one object into another. */
export function mergePatch(from: Members, to: Members): Members {
  const names = new Set([...Object.keys(from), ...Object.keys(to)]);
  const changes = [...names].flatMap((name): [string, unknown][] => {
    const [before, after] = [from[name], to[name]];
    if (isSame(before, after)) return [];
    if (after === undefined) return [[name, null]];
    return [[name, isObject(before) && isObject(after) ? mergePatch(before, after) : after]];
  });
  return Object.fromEntries(changes);
}

/** One member that two people changed at once, or only the other one. */
export interface Difference {
  readonly member: string;
  readonly before: unknown;
  readonly theirs: unknown;
  /** Absent if only the other person changed it. */
  readonly ours?: unknown;
}

/** Returns what somebody else changed since the revision that our change is based on. */
export function differences(base: Members, theirs: Members, ours: Members): readonly Difference[] {
  return Object.keys(mergePatch(base, theirs)).map((member) => {
    const difference = { member, before: base[member], theirs: theirs[member] };
    return isSame(base[member], ours[member]) ? difference : { ...difference, ours: ours[member] };
  });
}

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Compares JSON values; the order of members says nothing. */
function isSame(one: unknown, other: unknown): boolean {
  if (isObject(one) && isObject(other)) {
    const names = new Set([...Object.keys(one), ...Object.keys(other)]);
    return [...names].every((name) => isSame(one[name], other[name]));
  }
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((value, index) => isSame(value, other[index]));
  }
  return one === other;
}

function parseObject(text: string): Members | string {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : 'Must be a JSON object';
  } catch (error) {
    return `Is no JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const isSeconds = (text: string): boolean => /^\s*\d{0,7}\s*$/.test(text);
const numberOf = (text: string): number | undefined => (text.trim() === '' ? undefined : Number(text));
const textOf = (value: number | undefined): string => (value === undefined ? '' : String(value));
