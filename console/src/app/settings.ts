/** What the service says about its sign-in, at /console/settings.json. */
export interface Settings {
  readonly clientId: string;
  readonly authority: string;
  readonly knownAuthorities: readonly string[];
  readonly scopes: readonly string[];
  /** Given in `dev` only: the emulator's sign-in pages have other addresses than Entra's. */
  readonly authorityMetadata?: string;
  readonly vendorName?: string;
}

export async function loadSettings(): Promise<Settings> {
  const response = await fetch('/console/settings.json', { cache: 'no-store' });
  if (!response.ok) throw new Error(`The service answered ${response.status} for the console's settings.`);
  return (await response.json()) as Settings;
}
