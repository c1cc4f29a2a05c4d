/**
 * Addresses of one national cloud. A deployment serves one: an app of the public cloud cannot sign
 * in to another cloud's directories.
 */
export interface Cloud {
  readonly authorityHost: string;
  readonly graphEndpoint: string;
  readonly vaultSuffix: string;
  readonly managedHsmSuffix: string;
  /** Of data collection endpoints; without `ingest` it is the resource that their tokens name. */
  readonly ingestionSuffix: string;
  /**
   * Audience of a managed identity's token that replaces the app's credential:
   * https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity
   */
  readonly exchangeAudience: string;
}

export type CloudName = 'public' | 'usgov' | 'china';

/**
 * https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud,
 * /azure/key-vault/general/about-keys-secrets-certificates and
 * /azure/azure-monitor/fundamentals/azure-monitor-network-access
 */
export const clouds: Readonly<Record<CloudName, Cloud>> = {
  public: {
    authorityHost: 'https://login.microsoftonline.com',
    graphEndpoint: 'https://graph.microsoft.com',
    vaultSuffix: '.vault.azure.net',
    managedHsmSuffix: '.managedhsm.azure.net',
    ingestionSuffix: '.ingest.monitor.azure.com',
    exchangeAudience: 'api://AzureADTokenExchange',
  },
  usgov: {
    authorityHost: 'https://login.microsoftonline.us',
    graphEndpoint: 'https://graph.microsoft.us',
    vaultSuffix: '.vault.usgovcloudapi.net',
    managedHsmSuffix: '.managedhsm.usgovcloudapi.net',
    ingestionSuffix: '.ingest.monitor.azure.us',
    exchangeAudience: 'api://AzureADTokenExchangeUSGov',
  },
  china: {
    authorityHost: 'https://login.partner.microsoftonline.cn',
    graphEndpoint: 'https://microsoftgraph.chinacloudapi.cn',
    vaultSuffix: '.vault.azure.cn',
    managedHsmSuffix: '.managedhsm.azure.cn',
    ingestionSuffix: '.ingest.monitor.azure.cn',
    exchangeAudience: 'api://AzureADTokenExchangeChina',
  },
};
