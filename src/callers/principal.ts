/** Permissions that a token can carry; none implies another. */
export type Role =
  | 'Data.Encrypt'
  | 'Data.Decrypt'
  | 'Data.Index'
  | 'Keys.Wrap'
  | 'Keys.Unwrap'
  | 'Keys.Lease'
  | 'Tenants.Read'
  | 'Tenants.Manage'
  | 'Audit.Read';

/** Returns whether the role is for calls on data, which say for whom and why they are made. */
export const isDataRole = (role: Role): boolean => role.startsWith('Data.') || role.startsWith('Keys.');

/** An authenticated caller. */
export interface Principal {
  /** Issuer and subject, for the audit. */
  readonly id: string;
  readonly roles: ReadonlySet<string>;
  /** The only tenants that it may name; undefined for all. */
  readonly tenantIds: ReadonlySet<string> | undefined;
}
