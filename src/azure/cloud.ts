/** Addresses of one national cloud. A deployment serves one: an app of the public cloud can't sign in to another's directories. */
export interface Cloud {
  readonly authorityHost: string;
  readonly vaultSuffix: string;
  readonly managedHsmSuffix: string;
}

export type CloudName = 'public' | 'usgov' | 'china';

/** https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud and /azure/key-vault/general/about-keys-secrets-certificates */
export const clouds: Readonly<Record<CloudName, Cloud>> = {
  public: {
    authorityHost: 'https://login.microsoftonline.com',
    vaultSuffix: '.vault.azure.net',
    managedHsmSuffix: '.managedhsm.azure.net',
  },
  usgov: {
    authorityHost: 'https://login.microsoftonline.us',
    vaultSuffix: '.vault.usgovcloudapi.net',
    managedHsmSuffix: '.managedhsm.usgovcloudapi.net',
  },
  china: {
    authorityHost: 'https://login.chinacloudapi.cn',
    vaultSuffix: '.vault.azure.cn',
    managedHsmSuffix: '.managedhsm.azure.cn',
  },
};
