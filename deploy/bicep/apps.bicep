// The registrations in the vendor's directory, by the Microsoft Graph extension. The API's identifier URI holds its own id, so a command sets it: see
// the README.
extension microsoftGraphV1

@description('Name of the multi-tenant app; the API has it with -api.')
@minLength(3)
@maxLength(15)
param name string

@description('HTTPS address of the service.')
@minLength(12)
param publicUrl string

@description('Object id of the operators\' group.')
@minLength(36)
@maxLength(36)
param operatorsGroupId string

@description('Issuer of the tokens with which the app signs in instead of a secret.')
@minLength(8)
param credentialIssuer string

@description('Subject of these tokens: the managed identity, or on Kubernetes the service account, since Entra rejects a chain of federated credentials (AADSTS700231).')
@minLength(1)
param credentialSubject string

// Roles of the API and what they allow; src/callers/principal.ts has the same list, which a test compares.
var roles = {
  'Data.Encrypt': 'Encrypt data of tenants'
  'Data.Decrypt': 'Decrypt data of tenants'
  'Data.Index': 'Make look-up tokens'
  'Keys.Wrap': 'Wrap keys with a tenant\'s vault'
  'Keys.Unwrap': 'Unwrap keys with a tenant\'s vault'
  'Keys.Lease': 'Lease keys to encrypt and decrypt locally'
  'Tenants.Read': 'Read tenants'
  'Tenants.Manage': 'Create, change, check and suspend tenants'
  'Audit.Read': 'Read the audit log'
}
var operatorRoles = ['Tenants.Read', 'Tenants.Manage', 'Audit.Read']

// The multi-tenant app that customers add to their directory. It has no permission: what it may do is what a customer grants on its key.
resource vaultspan 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: name
  displayName: name
  signInAudience: 'AzureADMultipleOrgs'
  web: {
    // Where Entra returns to after an administrator's consent.
    redirectUris: ['${publicUrl}/onboarding/consent']
  }
}

resource credential 'Microsoft.Graph/applications/federatedIdentityCredentials@v1.0' = {
  name: '${vaultspan.uniqueName}/service'
  issuer: credentialIssuer
  subject: credentialSubject
  audiences: ['api://AzureADTokenExchange']
}

resource vaultspanPrincipal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: vaultspan.appId
}

// The API's registration: callers' tokens name it as audience, the console signs operators in with it.
resource api 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: '${name}-api'
  displayName: '${name}-api'
  signInAudience: 'AzureADMyOrg'
  api: {
    requestedAccessTokenVersion: 2
    oauth2PermissionScopes: [
      {
        id: guid(publicUrl, 'access')
        value: 'access'
        type: 'Admin'
        isEnabled: true
        adminConsentDisplayName: 'Use Vaultspan'
        adminConsentDescription: 'Call the API with the roles of the signed-in person.'
      }
    ]
  }
  appRoles: [
    for role in items(roles): {
      id: guid(publicUrl, role.key)
      value: role.key
      displayName: role.key
      description: role.value
      allowedMemberTypes: ['Application', 'User']
      isEnabled: true
    }
  ]
  spa: {
    redirectUris: ['${publicUrl}/console/']
  }
}

// Without an assignment nobody gets a token.
resource apiPrincipal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: api.appId
  appRoleAssignmentRequired: true
}

resource operators 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [
  for role in operatorRoles: {
    appRoleId: guid(publicUrl, role)
    principalId: operatorsGroupId
    resourceId: apiPrincipal.id
  }
]

output appClientId string = vaultspan.appId
output apiClientId string = api.appId
