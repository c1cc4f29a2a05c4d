import { checkNames } from './options.ts';

/**
 * On whose behalf and why a call is made, for the customer's audit records. They are the caller's claims: the service
 * records them beside the caller that it authenticated. Each is at most 256 characters once percent-encoded.
 */
export interface Access {
  /** Who uses the data, such as the id of the signed-in user. */
  readonly subject?: string;
  /** Why, such as a ticket. */
  readonly reason?: string;
  /** Anything else that the audit should have, such as the name of a job. */
  readonly label?: string;
}

const MEMBERS = new Set(['subject', 'reason', 'label']);

/**
 * Returns the headers of an access: visible ASCII, the rest percent-encoded as UTF-8.
 * @throws TypeError for an unknown member, which no audit record would have
 */
export function accessHeaders(access: Access | undefined): Record<string, string> {
  if (access !== undefined) checkNames(access, MEMBERS, 'access');
  const headers: Record<string, string> = {};
  if (access?.subject !== undefined) headers['Access-Subject'] = encodeURIComponent(access.subject);
  if (access?.reason !== undefined) headers['Access-Reason'] = encodeURIComponent(access.reason);
  if (access?.label !== undefined) headers['Access-Label'] = encodeURIComponent(access.label);
  return headers;
}
