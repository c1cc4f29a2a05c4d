/** Permissions that a token can carry; none implies another. */
export type Role =
  | 'Data.Encrypt'
  | 'Data.Decrypt'
  | 'Keys.Wrap'
  | 'Keys.Unwrap'
  | 'Tenants.Read'
  | 'Tenants.Manage'
  | 'Audit.Read';

/** An authenticated caller. */
export interface Principal {
  /** Issuer and subject, for the audit. */
  readonly id: string;
  readonly roles: ReadonlySet<string>;
  /** The only tenants that it may name; undefined for all. */
  readonly tenantIds: ReadonlySet<string> | undefined;
}
