import { createHash, randomBytes } from 'node:crypto';
import type { Emulator } from '../../src/emulator/emulator.ts';

/** Returns an access token of a person of the emulated directory, as the console gets it. */
export async function personToken(emulator: Emulator, person: string, redirectUri: string): Promise<string> {
  const verifier = randomBytes(32).toString('base64url');
  const base = `${emulator.signInUrl}/${emulator.homeTenantId}/oauth2/v2.0`;
  const query = new URLSearchParams({
    client_id: emulator.consoleClientId,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope: `api://${emulator.callerAudience}/access_as_user`,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    choice: person,
  });
  const { headers } = await fetch(`${base}/authorize?${query.toString()}`, { redirect: 'manual' });
  const code = new URL(headers.get('location') ?? '').searchParams.get('code') ?? '';
  const response = await fetch(`${base}/token`, {
    method: 'POST',
    headers: { origin: new URL(redirectUri).origin },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: emulator.consoleClientId,
      redirect_uri: redirectUri,
      code,
      code_verifier: verifier,
    }),
  });
  return ((await response.json()) as { readonly access_token: string }).access_token;
}
