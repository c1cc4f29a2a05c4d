import { SIEM_COLUMNS } from '../../audit/siem/columns.ts';

/** The stream that rules of the template declare; records may name another. */
const STREAM = 'Custom-Vaultspan';
const TABLE = 'Vaultspan_CL';
const FILE = 'vaultspan-siem.bicep';
/** Monitoring Metrics Publisher. */
const PUBLISHER = '3913510d-42f4-4e42-8a64-420c390055eb';

/** Returns the columns as Bicep; the two resources write one type differently. */
const columns = (indent: string, dateTime: string): string =>
  Object.entries(SIEM_COLUMNS)
    .map(([name, type]) => `${indent}{ name: '${name}', type: '${type === 'datetime' ? dateTime : type}' }`)
    .join('\n');

/** Returns the template of table, rule and role. It needs no endpoint: a direct rule has its own. */
export const siemTemplate = (): string => `param workspace string
param principalId string
param location string = resourceGroup().location

resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' existing = {
  name: workspace
}

resource table 'Microsoft.OperationalInsights/workspaces/tables@2022-10-01' = {
  parent: logs
  name: '${TABLE}'
  properties: {
    schema: {
      name: '${TABLE}'
      columns: [
${columns('        ', 'dateTime')}
      ]
    }
  }
}

resource rule 'Microsoft.Insights/dataCollectionRules@2023-03-11' = {
  name: 'vaultspan'
  location: location
  kind: 'Direct'
  dependsOn: [table]
  properties: {
    streamDeclarations: {
      '${STREAM}': {
        columns: [
${columns('          ', 'datetime')}
        ]
      }
    }
    destinations: {
      logAnalytics: [{ name: 'logs', workspaceResourceId: logs.id }]
    }
    dataFlows: [
      { streams: ['${STREAM}'], destinations: ['logs'], outputStream: 'Custom-${TABLE}', transformKql: 'source' }
    ]
  }
}

resource publisher 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(rule.id, principalId)
  scope: rule
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '${PUBLISHER}')
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output endpoint string = rule.properties.endpoints.logsIngestion
output ruleId string = rule.properties.immutableId
output stream string = '${STREAM}'`;

/** Returns the optional task that lets a customer have its records in Microsoft Sentinel. */
export const siemStep = (appId: string) => ({
  title: "Receive the tenant's audit records in your Log Analytics workspace",
  owner: 'resource-owner' as const,
  explanation:
    'Optional. Set RESOURCE_GROUP and WORKSPACE first. It creates a table, a data collection rule and the role Monitoring Metrics Publisher for the app on this one rule. Give the output (endpoint, ruleId, stream) to the vendor, who puts it into the record as siem.logsIngestion.',
  commands: [
    `cat > ${FILE} <<'BICEP'\n${siemTemplate()}\nBICEP`,
    `az deployment group create --resource-group "$RESOURCE_GROUP" --template-file ${FILE} --parameters workspace="$WORKSPACE" principalId="$(az ad sp show --id ${appId} --query id -o tsv)" --query properties.outputs`,
  ],
  check: 'siem',
});
