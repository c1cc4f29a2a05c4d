@description('Name of the home vault.')
@minLength(3)
@maxLength(24)
param name string

@description('Region of the vault.')
param location string

@description('Object id of the service\'s identity, which reads the secrets.')
@minLength(36)
@maxLength(36)
param principalId string

// Roles of Azure, by the ids that they have in every directory.
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var secretsOfficer = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
var cryptoOfficer = '14b46e9e-c2b7-41b4-b07b-48a6ebf60603'

// The home vault holds the keys of the deployment itself. Without the origin key no ciphertext can be decrypted, so nobody can purge it.
resource home 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enablePurgeProtection: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
  }
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = {
  name: 'home-vault'
  scope: home
  properties: {
    level: 'CanNotDelete'
    notes: 'Without this vault no ciphertext can be decrypted.'
  }
}

resource identityReadsSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(home.id, principalId, secretsUser)
  scope: home
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// Whoever deploys this runs `vaultspan init` once; it makes the secrets, and with receipts a key.
resource deployerMakes 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in [secretsOfficer, cryptoOfficer]: {
    name: guid(home.id, deployer().objectId, role)
    scope: home
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
      principalId: deployer().objectId
    }
  }
]

output url string = 'https://${home.name}${environment().suffixes.keyvaultDns}'
