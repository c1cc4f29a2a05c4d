import { join } from 'node:path';
import { type Config, resolveConfig } from '../../src/config/resolved.ts';
import { ConfigSchema } from '../../src/config/schema.ts';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { acceleratorSetting } from './gcm.ts';

/** Returns the configuration of these settings. Their paths are absolute. */
export const configOf = (settings: unknown): Config => resolveConfig(ConfigSchema.parse(settings));

/**
 * Returns the settings of a service against the emulator, in the form of its configuration file.
 */
export function settingsFor(
  emulator: Emulator,
  folder: string,
  limits?: Readonly<Record<string, readonly string[]>>,
): Record<string, unknown> {
  const unlimited = Object.fromEntries(emulator.callers.map(({ clientId }) => [clientId, ['*']]));
  return {
    http: { port: 0, drainSeconds: 0 },
    callers: [
      {
        issuer: emulator.callerIssuer,
        audience: [emulator.callerAudience],
        limits: limits && { ...unlimited, ...limits },
      },
    ],
    home: {
      tenantId: emulator.homeTenantId,
      appId: emulator.appId,
      vaultUrl: emulator.homeVaultUrl,
      secretName: emulator.appSecretName,
      identity: 'managed-identity',
    },
    cloud: { name: 'custom', authorityHost: emulator.authorityHost, vaultSuffix: '.vault.azure.net' },
    registry: { file: join(folder, 'tenants.json') },
    database: { file: join(folder, 'vaultspan.db') },
    rounds: { enabled: false },
    accelerator: acceleratorSetting(),
    audit: { directory: join(folder, 'audit') },
    emulator: {
      unsafeAllowEmulator: true,
      caFile: join(folder, 'ca.pem'),
      identityEndpoint: emulator.managedIdentity.endpoint,
      identityHeader: emulator.managedIdentity.header,
      signInUrl: emulator.signInUrl,
    },
  };
}
