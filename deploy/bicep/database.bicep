@description('Name of the server.')
@minLength(3)
@maxLength(63)
param name string

@description('Region of the server.')
param location string

@description('Resource id of the delegated subnet.')
@minLength(1)
param subnetId string

@description('Resource id of the private DNS zone.')
@minLength(1)
param dnsZoneId string

@description('Object id of the administrators\' group.')
@minLength(36)
@maxLength(36)
param adminsId string

@description('Display name of that group.')
@minLength(1)
param adminsName string

// Entra sign-in only, in the network only, with a synchronous standby in another zone: a failover loses no committed row.
resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2024-08-01' = {
  name: name
  location: location
  sku: { name: 'Standard_D2ds_v5', tier: 'GeneralPurpose' }
  properties: {
    version: '16'
    storage: { storageSizeGB: 128, autoGrow: 'Enabled' }
    backup: { backupRetentionDays: 35 }
    highAvailability: { mode: 'ZoneRedundant' }
    authConfig: {
      activeDirectoryAuth: 'Enabled'
      passwordAuth: 'Disabled'
      tenantId: subscription().tenantId
    }
    network: {
      publicNetworkAccess: 'Disabled'
      delegatedSubnetResourceId: subnetId
      privateDnsZoneArmResourceId: dnsZoneId
    }
  }
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = {
  name: 'database'
  scope: server
  properties: {
    level: 'CanNotDelete'
    notes: 'Tenants, stored keys and audit records.'
  }
}

resource admins 'Microsoft.DBforPostgreSQL/flexibleServers/administrators@2024-08-01' = {
  parent: server
  name: adminsId
  properties: {
    principalName: adminsName
    principalType: 'Group'
    tenantId: subscription().tenantId
  }
}

// After the administrators: the server takes one change at a time.
resource vaultspan 'Microsoft.DBforPostgreSQL/flexibleServers/databases@2024-08-01' = {
  parent: server
  name: 'vaultspan'
  dependsOn: [admins]
}

output host string = server.properties.fullyQualifiedDomainName
