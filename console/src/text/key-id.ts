export interface KeyId {
  readonly vault: string;
  readonly name: string;
  readonly version: string | undefined;
}

/** Returns the parts of a Key Vault key id; undefined if it is something else. */
export function parseKeyId(keyId: string): KeyId | undefined {
  const match = /^https:\/\/([^/]+)\/keys\/([^/]+)(?:\/([^/]+))?$/.exec(keyId);
  const [, vault, name, version] = match ?? [];
  return vault === undefined || name === undefined ? undefined : { vault, name, version };
}
