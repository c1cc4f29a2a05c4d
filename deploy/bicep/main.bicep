targetScope = 'resourceGroup'

@description('Region of all resources.')
param location string = resourceGroup().location

@description('Name of the resources, beginning with a letter: a-z, 0-9 and -. Those with global names (vault, database) get it as a prefix.')
@minLength(3)
@maxLength(15)
param name string = 'vaultspan'

@description('HTTPS address at which callers, operators and customers reach the service, without a path or a final slash.')
@minLength(12)
@maxLength(255)
param publicUrl string

@description('Where the service runs: container-apps creates a Container App; kubernetes prepares the Helm chart\'s identity.')
@allowed(['container-apps', 'kubernetes'])
param platform string

@description('The container image, with its registry; prefer a digest. Unused with kubernetes.')
@minLength(3)
param image string = 'registry.example/vaultspan:0.1.0'

@description('Resource id of the subnet of the Container Apps environment, of /27 or larger, with the service endpoint Microsoft.Storage; unused with kubernetes.')
param subnetId string = ''

@description('Resource id of the subnet that is delegated to Microsoft.DBforPostgreSQL/flexibleServers.')
@minLength(1)
param databaseSubnetId string

@description('Resource id of the private DNS zone of the database, linked to the network: NAME.private.postgres.database.azure.com.')
@minLength(1)
param databaseDnsZoneId string

@description('Object id of the Entra group that administers the database, and creates the service\'s user once.')
@minLength(36)
@maxLength(36)
param databaseAdminsId string

@description('Display name of that group.')
@minLength(1)
param databaseAdminsName string

@description('Object id of the Entra group of operators: reads and manages tenants, reads the audit log, in the console and by command.')
@minLength(36)
@maxLength(36)
param operatorsGroupId string

@description('With kubernetes: the cluster\'s OIDC issuer.')
param clusterIssuer string = ''

@description('With kubernetes: the namespace of the Helm chart.')
@minLength(1)
@maxLength(63)
param clusterNamespace string = 'vaultspan'

@description('With kubernetes: the release of the Helm chart.')
@minLength(1)
@maxLength(53)
param clusterRelease string = 'vaultspan'

var suffix = take(uniqueString(resourceGroup().id), 8)
var authority = environment().authentication.loginEndpoint
var issuer = '${authority}${subscription().tenantId}/v2.0'
var onCluster = platform == 'kubernetes'
// The service account of the pods, and that of the chart's migration.
var accounts = onCluster ? [clusterRelease, '${clusterRelease}-migrate'] : []

// The service's own identity. It opens the home vault and signs in to the database, so there is no secret.
resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
}

// One after the other: Azure refuses two changes of one identity at a time.
@batchSize(1)
resource federated 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = [
  for account in accounts: {
    parent: identity
    name: account
    properties: {
      issuer: clusterIssuer
      subject: 'system:serviceaccount:${clusterNamespace}:${account}'
      audiences: ['api://AzureADTokenExchange']
    }
  }
]

module apps 'apps.bicep' = {
  name: '${name}-apps'
  params: {
    name: name
    publicUrl: publicUrl
    operatorsGroupId: operatorsGroupId
    credentialIssuer: onCluster ? clusterIssuer : issuer
    credentialSubject: onCluster ? 'system:serviceaccount:${clusterNamespace}:${clusterRelease}' : identity.properties.principalId
  }
}

module vault 'vault.bicep' = {
  name: '${name}-vault'
  params: {
    name: '${name}-${suffix}'
    location: location
    principalId: identity.properties.principalId
  }
}

module database 'database.bicep' = {
  name: '${name}-database'
  params: {
    name: '${name}-${suffix}'
    location: location
    subnetId: databaseSubnetId
    dnsZoneId: databaseDnsZoneId
    adminsId: databaseAdminsId
    adminsName: databaseAdminsName
  }
}

var values = {
  tenant_id: subscription().tenantId
  api_client_id: apps.outputs.apiClientId
  app_client_id: apps.outputs.appClientId
  vault_url: vault.outputs.url
  identity_client_id: identity.properties.clientId
  identity_name: identity.name
  database_host: database.outputs.host
}
var configuration = reduce(items(values), loadTextContent('../azure-config.yaml'), (text, one) => replace(text, '\${${one.key}}', one.value))

module app 'container-app.bicep' = if (!onCluster) {
  name: '${name}-app'
  params: {
    name: name
    location: location
    image: image
    subnetId: subnetId
    storageName: 'audit${uniqueString(resourceGroup().id)}'
    identityId: identity.id
    configuration: configuration
  }
}

@description('The id that customers add to their directory.')
output appClientId string = apps.outputs.appClientId

@description('Audience of callers\' tokens; they ask for the scope api://ID/.default.')
output apiClientId string = apps.outputs.apiClientId

@description('The configuration file. For `vaultspan init` remove home.identity and home.managedIdentityClientId, so that it signs in as you.')
output config string = configuration

@description('The user that the database\'s administrators create once: see the README.')
output databaseUser string = identity.name

@description('With kubernetes: the values of deploy/helm.')
output helmValues object = onCluster
  ? {
      workloadIdentity: { clientId: identity.properties.clientId }
      config: {
        callers: [{ issuer: issuer, audience: [apps.outputs.apiClientId] }]
        home: {
          tenantId: subscription().tenantId
          appId: apps.outputs.appClientId
          vaultUrl: vault.outputs.url
          credential: 'workload-identity'
        }
        database: {
          url: 'postgres://${identity.name}@${database.outputs.host}/vaultspan?sslmode=verify-full'
          password: 'entra'
        }
      }
    }
  : {}
