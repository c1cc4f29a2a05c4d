@description('Name of the resources.')
@minLength(3)
@maxLength(15)
param name string

@description('Region of the resources.')
param location string

@description('The container image.')
@minLength(3)
param image string

@description('Resource id of the environment\'s subnet, of /27 or larger, with the service endpoint Microsoft.Storage.')
@minLength(1)
param subnetId string

@description('Name of the storage account for the spool of audit records.')
@minLength(3)
@maxLength(24)
param storageName string

@description('Resource id of the service\'s identity.')
@minLength(1)
param identityId string

@description('The configuration file. It has no secret.')
@minLength(1)
param configuration string

var volumes = [
  { name: 'config', storageType: 'Secret', secrets: [{ secretRef: 'config', path: 'config.yaml' }] }
  { name: 'audit', storageType: 'AzureFile', storageName: 'audit' }
]
var mounts = [
  { volumeName: 'config', mountPath: '/etc/vaultspan' }
  { volumeName: 'audit', mountPath: '/var/lib/vaultspan/audit' }
]
var identities = { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
// Files can only be mounted as secrets.
var secrets = [{ name: 'config', value: configuration }]

resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: name
  location: location
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: 90
  }
}

resource environment 'Microsoft.App/managedEnvironments@2024-03-01' = {
  name: name
  location: location
  properties: {
    zoneRedundant: true
    vnetConfiguration: { internal: true, infrastructureSubnetId: subnetId }
    appLogsConfiguration: {
      destination: 'log-analytics'
      logAnalyticsConfiguration: {
        customerId: logs.properties.customerId
        sharedKey: logs.listKeys().primarySharedKey
      }
    }
  }
}

// The spool of audit records, until they are in the database. Its account is in the network alone.
resource spool 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: storageName
  location: location
  kind: 'FileStorage'
  sku: { name: 'Premium_ZRS' }
  properties: {
    allowBlobPublicAccess: false
    minimumTlsVersion: 'TLS1_2'
    networkAcls: {
      bypass: 'None'
      defaultAction: 'Deny'
      virtualNetworkRules: [{ id: subnetId, action: 'Allow' }]
    }
  }
}

resource files 'Microsoft.Storage/storageAccounts/fileServices@2023-05-01' = {
  parent: spool
  name: 'default'
}

resource share 'Microsoft.Storage/storageAccounts/fileServices/shares@2023-05-01' = {
  parent: files
  name: 'audit'
  properties: { shareQuota: 100 }
}

resource audit 'Microsoft.App/managedEnvironments/storages@2024-03-01' = {
  parent: environment
  name: 'audit'
  properties: {
    azureFile: {
      accountName: spool.name
      accountKey: spool.listKeys().keys[0].value
      shareName: share.name
      accessMode: 'ReadWrite'
    }
  }
}

resource app 'Microsoft.App/containerApps@2024-03-01' = {
  name: name
  location: location
  identity: identities
  dependsOn: [audit]
  properties: {
    environmentId: environment.id
    configuration: {
      activeRevisionsMode: 'Single'
      secrets: secrets
      ingress: { external: true, targetPort: 8080, transport: 'http', allowInsecure: false }
    }
    template: {
      // http.drainSeconds plus 5.
      terminationGracePeriodSeconds: 30
      scale: { minReplicas: 2, maxReplicas: 10 }
      containers: [
        {
          name: 'vaultspan'
          image: image
          resources: { cpu: 2, memory: '4Gi' }
          probes: [
            { type: 'Startup', httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 2, failureThreshold: 30 }
            { type: 'Liveness', httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 10, timeoutSeconds: 5 }
            { type: 'Readiness', httpGet: { path: '/readyz', port: 8080 }, periodSeconds: 5, timeoutSeconds: 5 }
          ]
          volumeMounts: mounts
        }
      ]
      volumes: volumes
    }
  }
}

// Started by hand before an upgrade that changes the schema: az containerapp job start.
resource migrate 'Microsoft.App/jobs@2024-03-01' = {
  name: '${name}-migrate'
  location: location
  identity: identities
  dependsOn: [audit]
  properties: {
    environmentId: environment.id
    configuration: {
      triggerType: 'Manual'
      replicaTimeout: 1800
      replicaRetryLimit: 0
      manualTriggerConfig: { parallelism: 1, replicaCompletionCount: 1 }
      secrets: secrets
    }
    template: {
      containers: [
        {
          name: 'migrate'
          image: image
          args: ['migrate', '--config', '/etc/vaultspan/config.yaml']
          resources: { cpu: 1, memory: '2Gi' }
          volumeMounts: mounts
        }
      ]
      volumes: volumes
    }
  }
}
