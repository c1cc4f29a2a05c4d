import { createHash } from 'node:crypto';
import * as z from 'zod';
import { parseDocument } from '../lib/parse-document.ts';
import { messageOf } from '../lib/parse-input.ts';
import { keyClaims } from './key-register.ts';
import type { Tenant } from './record.ts';
import { problemsOfRecord, type RecordObstacles } from './record-obstacles.ts';
import { type TenantInput, tenantOf, tenantSchema } from './record-schema.ts';
import type { VaultHosts } from './vault-hosts.ts';

/** All problems of a list of tenants at once, each with its place. */
export class TenantListError extends Error {
  override readonly name = 'TenantListError';
  readonly problems: readonly string[];

  /** `file` is the file of the list, if it came from one. */
  constructor(problems: readonly string[], file?: string) {
    const summary = file === undefined ? 'The tenants are not usable' : `The tenants are not usable: ${file}`;
    super([summary, ...problems].join(problems.length > 1 ? '\n  ' : ': '));
    this.problems = problems;
  }
}

/**
 * Returns the tenants by id from `{tenants: [...]}`. `changedAt` replaces the times that a file
 * does not store.
 * @throws TenantListError
 */
export function parseTenantList(
  document: unknown,
  hosts: VaultHosts,
  changedAt: string,
  obstacles: RecordObstacles = {},
): ReadonlyMap<string, Tenant> {
  const parsed = z.strictObject({ tenants: z.array(tenantSchema(hosts)) }).safeParse(document, { error: messageOf });
  if (!parsed.success) throw new TenantListError(parsed.error.issues.flatMap(describe));
  const { tenants } = parsed.data;
  const problems = [...repeatedIds(tenants), ...sharedKeys(tenants), ...refusedMembers(tenants, obstacles)];
  if (problems.length > 0) throw new TenantListError(problems);
  const stamped = tenants.map((input) =>
    tenantOf(input, { revision: revisionOf(input), createdAt: changedAt, updatedAt: changedAt }),
  );
  return new Map(stamped.sort((a, b) => (a.id < b.id ? -1 : 1)).map((tenant) => [tenant.id, tenant]));
}

/**
 * Returns the same from the bytes of a YAML or JSON file.
 * @throws TenantListError
 */
export function readTenantList(
  file: string,
  bytes: Uint8Array,
  hosts: VaultHosts,
  changedAt: string,
  obstacles: RecordObstacles,
): ReadonlyMap<string, Tenant> {
  try {
    const document = parseDocument(bytes, 'tenants: [{id: contoso, …}]');
    return parseTenantList(document, hosts, changedAt, obstacles);
  } catch (error) {
    if (error instanceof TenantListError) throw new TenantListError(error.problems, file);
    throw Error.isError(error) ? new TenantListError([error.message], file) : error;
  }
}

/** Returns a hash of the record itself: the same after any restart, another after any change. */
const revisionOf = (input: TenantInput): string =>
  createHash('sha256').update(JSON.stringify(input)).digest('base64url').slice(0, 22);

function describe(issue: z.core.$ZodIssue): string[] {
  const place = issue.path.map((part) => `/${String(part)}`).join('');
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${place}/${key}: is unknown`);
  return [`${place === '' ? '/' : place}: ${issue.message}`];
}

function* repeatedIds(tenants: readonly TenantInput[]): Generator<string> {
  const seen = new Set<string>();
  for (const [index, { id }] of tenants.entries()) {
    if (seen.has(id)) yield `/tenants/${index}/id: ${id} occurs twice`;
    seen.add(id);
  }
}

function* refusedMembers(tenants: readonly TenantInput[], obstacles: RecordObstacles): Generator<string> {
  for (const [index, tenant] of tenants.entries()) {
    for (const { pointer, detail } of problemsOfRecord(tenant, obstacles))
      yield `/tenants/${index}${pointer}: ${detail}`;
  }
}

/**
 * Returns the keys that are in the list twice. A vault key belongs to one tenant and one alias,
 * retired ones included. Otherwise a manager of one tenant could register another's vault, where
 * the app already has access, or make a data key's KEK answer unwrap.
 */
function* sharedKeys(tenants: readonly TenantInput[]): Generator<string> {
  const owners = new Map<string, string>();
  for (const [index, tenant] of tenants.entries()) {
    for (const { pointer, vaultKey: key } of keyClaims(tenant)) {
      const place = pointer.slice(1);
      const owner = owners.get(key);
      if (owner !== undefined) yield `/tenants/${index}/${place}: ${key} is already registered as ${owner}`;
      owners.set(key, `${tenant.id}/${place}`);
    }
  }
}
