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

/** Returns the headers of an access: visible ASCII, the rest percent-encoded as UTF-8. */
export function accessHeaders(access: Access | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  if (access?.subject !== undefined) headers['Access-Subject'] = encodeURIComponent(access.subject);
  if (access?.reason !== undefined) headers['Access-Reason'] = encodeURIComponent(access.reason);
  if (access?.label !== undefined) headers['Access-Label'] = encodeURIComponent(access.label);
  return headers;
}
