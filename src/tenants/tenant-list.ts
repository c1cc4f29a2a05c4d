import { createHash } from 'node:crypto';
import { parse, YAMLParseError } from 'yaml';
import * as z from 'zod';
import { keyClaims } from './key-register.ts';
import type { Tenant } from './record.ts';
import { type TenantInput, tenantOf, tenantSchema } from './record-schema.ts';
import type { VaultHosts } from './vault-hosts.ts';

/** All problems of a list of tenants at once, each with its place. */
export class TenantListError extends Error {
  override readonly name = 'TenantListError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/**
 * Returns the tenants by id from `{tenants: [...]}`. `changedAt` replaces the times that a file
 * does not store.
 * @throws TenantListError
 */
export function parseTenantList(document: unknown, hosts: VaultHosts, changedAt: string): ReadonlyMap<string, Tenant> {
  const parsed = z.strictObject({ tenants: z.array(tenantSchema(hosts)) }).safeParse(document);
  if (!parsed.success) throw new TenantListError(parsed.error.issues.map(describe));
  const { tenants } = parsed.data;
  const problems = [...repeatedIds(tenants), ...sharedKeys(tenants)];
  if (problems.length > 0) throw new TenantListError(problems);
  const stamped = tenants.map((input) =>
    tenantOf(input, { revision: revisionOf(input), createdAt: changedAt, updatedAt: changedAt }),
  );
  return new Map(stamped.sort((a, b) => (a.id < b.id ? -1 : 1)).map((tenant) => [tenant.id, tenant]));
}

/**
 * Returns the same from YAML or JSON text.
 * @throws TenantListError
 */
export function readTenantList(text: string, hosts: VaultHosts, changedAt: string): ReadonlyMap<string, Tenant> {
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    const { line, col } = error.linePos?.[0] ?? { line: 0, col: 0 };
    throw new TenantListError([`line ${line}, column ${col}: is neither YAML nor JSON (${error.code})`]);
  }
  return parseTenantList(document, hosts, changedAt);
}

/** Returns a hash of the record itself: the same after any restart, another after any change. */
const revisionOf = (input: TenantInput): string =>
  createHash('sha256').update(JSON.stringify(input)).digest('base64url').slice(0, 22);

const describe = (issue: z.core.$ZodIssue): string => `/${issue.path.map(String).join('/')}: ${issue.message}`;

function* repeatedIds(tenants: readonly TenantInput[]): Generator<string> {
  const seen = new Set<string>();
  for (const [index, { id }] of tenants.entries()) {
    if (seen.has(id)) yield `/tenants/${index}/id: ${id} stands here twice`;
    seen.add(id);
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
      if (owner !== undefined) yield `/tenants/${index}/${place}: ${key} is registered already, as ${owner}`;
      owners.set(key, `${tenant.id}/${place}`);
    }
  }
}
