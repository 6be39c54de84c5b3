// Lifetime: that of the resource group; telemetry and the vault's audit log are kept for 30 days.
// Role: Log Analytics and Application Insights. Grants Monitoring Metrics Publisher on Application Insights to each app.
// Reason: both accept no keys. So only an Entra identity can write telemetry, and the connection string is an address
// and not a secret.

@description('The identities that may report telemetry, by name.')
param publisherIdentityNames string[]

@description('The name of the Log Analytics workspace.')
param workspaceName string

@description('The name of the Application Insights component.')
param applicationInsightsName string

@description('The region.')
param location string

@description('Tags of the deployment.')
param tags { *: string }

var monitoringMetricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 30
    features: {
      disableLocalAuth: true
    }
  }
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' = {
  name: applicationInsightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

resource publishers 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = [
  for name in publisherIdentityNames: {
    name: name
  }
]

resource publisherRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in publisherIdentityNames: {
    name: guid(applicationInsights.id, publishers[index].id, monitoringMetricsPublisher)
    scope: applicationInsights
    properties: {
      principalId: publishers[index].properties.principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
    }
  }
]

@description('The workspace, for the vault\'s audit log.')
output workspaceId string = workspace.id

@description('Where telemetry goes. No secret: keys are not accepted.')
output connectionString string = applicationInsights.properties.ConnectionString
