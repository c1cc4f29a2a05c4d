/** The vendor, as the configuration names it. */
export interface Vendor {
  readonly vendorName?: string | undefined;
  /** An e-mail address or an https URL. */
  readonly vendorContact?: string | undefined;
  /** Addresses that the service calls vaults from. */
  readonly egressAddresses: readonly string[];
}

export const nameOf = ({ vendorName }: Vendor): string => vendorName ?? 'the vendor';

/** A role that the person needs who runs a step, with where it must hold. */
interface NeededRole {
  readonly task: string;
  readonly role: string;
}

/** The roles of the people at the customer; each may be another person. */
export const NEEDED_ROLES: readonly NeededRole[] = [
  {
    task: 'Add the app to the directory',
    role: 'Cloud Application Administrator (or Application Administrator) in Microsoft Entra ID',
  },
  { task: 'Create the key and its tag', role: 'Key Vault Crypto Officer on the vault' },
  {
    task: 'Grant the role on the key',
    role: 'Role Based Access Control Administrator, User Access Administrator or Owner, on the vault or the key',
  },
  {
    task: 'Turn on purge protection, change the network rules or an access policy',
    role: 'Key Vault Contributor on the vault',
  },
];

export const KEY_SIZE_REASON =
  'RSA with 3072 bits: the strength of AES-128, and a margin over 2048 bits for data that is kept for years. 4096 bits work too, and are slower.';
export const PURGE_REASON =
  'With purge protection a deleted key can be recovered, and nobody can delete it for good before its retention ends. Without it, a purged key loses the data for ever. It cannot be turned off again.';
