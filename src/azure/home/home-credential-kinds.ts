import type { TokenCredential } from '@azure/core-auth';
import type { ServiceError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { AzureObserver } from '../call-outcomes.ts';
import { managedIdentityToken, projectedToken } from './federated-token.ts';
import {
  ClientSecretHomeCredential,
  type ConfiguredHomeCredential,
  type HomeCredentialKind,
} from './home-credential.ts';
import { CertificateHomeCredential } from './home-credential-certificate.ts';
import { FederatedHomeCredential } from './home-credential-federated.ts';
import type { EntraAccess } from './home-sign-in.ts';
import type { HomeVault } from './home-vault.ts';
import { VaultSigner } from './home-vault-signer.ts';

export interface HomeCredentialOptions extends EntraAccess {
  readonly kind: HomeCredentialKind;
  readonly secretName: string;
  readonly certificateName: string;
  readonly vaultUrl: string;
  readonly vault: Pick<HomeVault, 'versions'>;
  /** The identity of this machine: it signs in to the home vault, and is the federated one. */
  readonly platform: TokenCredential;
  /** Audience of a managed identity's token; depends on the cloud. */
  readonly exchangeAudience: string;
  /** The token that Kubernetes projects for the pod's service account. */
  readonly federatedTokenFile: string;
  readonly deadlineMs: number;
  readonly clock: Clock;
  readonly onRotation: (version: string) => void;
  /** Called when a version in the home vault is left out. */
  readonly onUnusable: (version: string, problem: ServiceError) => void;
  readonly observer?: AzureObserver | undefined;
}

/** Returns the configured home credential; `load` it before use. */
export function createHomeCredential(options: HomeCredentialOptions): ConfiguredHomeCredential {
  switch (options.kind) {
    case 'client-secret':
      return new ClientSecretHomeCredential(options);
    case 'certificate':
      return new CertificateHomeCredential(options);
    case 'vault-signed':
      return new CertificateHomeCredential({
        ...options,
        signer: new VaultSigner({
          ...options,
          keyName: options.certificateName,
          isCertificate: true,
          algorithm: 'PS256',
          credential: options.platform,
        }),
      });
    case 'managed-identity':
      return new FederatedHomeCredential({ ...options, kind: options.kind, assertion: () => machineToken(options) });
    case 'workload-identity':
      return new FederatedHomeCredential({
        ...options,
        kind: options.kind,
        assertion: () => projectedToken(options.federatedTokenFile),
      });
  }
}

const machineToken = ({ platform: identity, exchangeAudience: audience, deadlineMs }: HomeCredentialOptions) =>
  managedIdentityToken({ identity, audience, deadlineMs });
