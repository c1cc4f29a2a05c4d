import type { Settings } from '../../../src/app/settings.ts';

/** Returns the console's sign-in; undefined if the console is off. */
export async function loadSignIn(base: string): Promise<Settings | undefined> {
  const response = await fetch(new URL('docs/settings.json', base), { cache: 'no-store' });
  if (!response.ok) return undefined;
  return ((await response.json()) as { readonly signIn?: Settings }).signIn;
}
