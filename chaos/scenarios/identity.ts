import type { Fault } from '../../src/emulator/faults.ts';
import type { Scenario } from '../scenario.ts';
import { NEWCOMER } from '../tenants.ts';

function entraScenario(name: string, trouble: string, fault: Omit<Fault, 'at'>): Scenario {
  return {
    name,
    trouble,
    newcomers: [NEWCOMER],
    seen: { [NEWCOMER.name]: ['identity-unavailable'] },
    begin: ({ site }) => site.order('injectFault', { at: 'entra', ...fault }),
    end: ({ site }) => site.order('clearFaults'),
  };
}

/**
 * Entra, and the vendor's own vault: known tenants continue with cached tokens, a new one has to
 * wait.
 */
export const IDENTITY: readonly Scenario[] = [
  entraScenario('Entra hangs', 'takes requests and never answers', { kind: 'hang' }),
  entraScenario('Entra resets', 'ends each connection without an answer', { kind: 'reset' }),
  entraScenario('Entra fails', 'answers 500', { kind: 'status', status: 500 }),
  {
    name: 'home vault down in a rotation',
    trouble: "the app's secret is replaced and the old one removed, while the home vault resets connections",
    newcomers: [NEWCOMER],
    // The home vault's own outage, and Entra's refusal of the secret that was removed.
    seen: { [NEWCOMER.name]: ['vault-unavailable', 'home-credential-rejected', 'identity-unavailable'] },
    begin: async ({ site }) => {
      await site.order('injectFault', { at: 'home', kind: 'reset' });
      const old = await site.order('listAppSecrets');
      await site.order('addAppSecret', { storeInHomeVault: true });
      for (const { keyId } of old) await site.order('removeAppSecret', { keyId });
    },
    end: ({ site }) => site.order('clearFaults'),
  },
];
