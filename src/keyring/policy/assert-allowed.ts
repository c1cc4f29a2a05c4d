import { ServiceError, type VaultCallIds } from '../../errors.ts';
import { comparable, type KeyPolicy, POLICY_TAGS, type PolicedClaim, type PolicedOperation } from './key-policy.ts';

/** One use of a key, as far as a policy judges it. */
export interface PolicedUse {
  readonly operation: PolicedOperation;
  /** Canonical. */
  readonly context?: Buffer | undefined;
  readonly access?: { readonly [Claim in PolicedClaim]?: string } | undefined;
}

/** The proof of access to a key: the vault call, and the policy that the key carried. */
export interface ProofOfAccess extends VaultCallIds {
  /** Absent if the key carries none. */
  readonly rules?: KeyPolicy | undefined;
}

/**
 * Checks a use of a key against the customer's policy on it. Without a policy it returns at once.
 * @throws ServiceError `policy-refused`, whose reason is the tag
 */
export function assertAllowed(proof: ProofOfAccess | undefined, use: PolicedUse): void {
  if (proof?.rules === undefined || use.operation === 'check') return;
  const tag = refusingTag(proof.rules, use);
  if (tag !== undefined) throw policyRefused(tag, proof);
}

/** A lease that ends sooner would be useless. */
const SHORTEST_LEASE_MS = 5_000;

function refusingTag(policy: KeyPolicy, use: PolicedUse): string | undefined {
  const { operation } = use;
  const { operations, refused, requiredAccess, denied } = policy;
  if (operations !== undefined && !NEEDED[operation].every((needed) => operations.has(needed))) {
    return POLICY_TAGS.operations;
  }
  if (operation === 'data-key' && refused.has(operation)) return POLICY_TAGS.dataKeys;
  if (operation === 'lease') {
    if (refused.has(operation)) return POLICY_TAGS.leases;
    if (policy.boundMs !== undefined && policy.boundMs < SHORTEST_LEASE_MS) return POLICY_TAGS.bound;
    // Whoever holds a lease uses it without us, and can be held to neither.
    if (denied.length > 0) return POLICY_TAGS.denied;
    return requiredAccess.length > 0 ? POLICY_TAGS.requiredAccess : undefined;
  }
  if (requiredAccess.some((claim) => use.access?.[claim] === undefined)) return POLICY_TAGS.requiredAccess;
  return refusingContext(policy, use);
}

/** The operations of the tag that a use needs; a search by an index both makes and reads values. */
const NEEDED: Readonly<Record<PolicedOperation, readonly string[]>> = {
  encrypt: ['encrypt'],
  decrypt: ['decrypt'],
  wrap: ['wrap'],
  unwrap: ['unwrap'],
  'data-key': ['encrypt'],
  lease: ['encrypt', 'decrypt'],
  index: ['encrypt', 'decrypt'],
  check: [],
};

/** Operations on new data, which a required context is for: data from before the policy still opens. */
const SEALING: ReadonlySet<PolicedOperation> = new Set(['encrypt', 'data-key', 'wrap']);

function refusingContext(policy: KeyPolicy, { operation, context, access }: PolicedUse): string | undefined {
  const { requiredContext, denied } = policy;
  if (requiredContext.length === 0 && denied.length === 0) return undefined;
  const pairs = membersOf(context);
  if (SEALING.has(operation) && requiredContext.some((name) => !pairs.has(name))) return POLICY_TAGS.requiredContext;
  const isDenied = denied.some(([name, value]) => {
    if (name === 'reason' && access?.reason !== undefined && comparable(access.reason) === value) return true;
    const given = pairs.get(name);
    return given !== undefined && comparable(given) === value;
  });
  return isDenied ? POLICY_TAGS.denied : undefined;
}

const membersOf = (context: Buffer | undefined): ReadonlyMap<string, string> =>
  new Map(context ? Object.entries(JSON.parse(context.toString()) as Record<string, string>) : []);

const policyRefused = (tag: string, proof: ProofOfAccess): ServiceError =>
  new ServiceError('policy-refused', `The customer's policy on its key refuses this: tag ${tag}`, {
    reason: tag,
    vaultCall: proof,
    fix: {
      owner: 'customer-admin',
      action: `Make the call as the policy demands, or have the customer change the tag ${tag} of its key`,
    },
  });
