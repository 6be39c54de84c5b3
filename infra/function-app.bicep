// Lifetime: that of the resource group. The list of app settings is replaced by each deployment of this module.
// Role: one Functions app and all that belongs to it alone: plan (Flex Consumption takes one app each), storage, site,
// settings. In a private network also the private endpoints of its storage and, if it is closed, of the app itself.
// Grants Storage Blob Data Owner on its own storage to its own identity.
// Reason: the storage accepts no keys. The host keeps its leases there and fetches the deployed package from it. Each
// app has its own, so that no app can reach the data of the other.

import { place } from 'network.bicep'

@description('The part of host.json that this module reads.')
type hostFile = {
  @description('Its extensions.')
  extensions: {
    @description('How the app is reached.')
    http: {
      @description('The beginning of every route. Without it: api.')
      routePrefix: string?
    }?
  }?
}

@description('The service of azure.yaml whose code runs here. Short, because it goes into a storage account name.')
@minLength(1)
@maxLength(9)
param serviceName string

@description('The identity it runs as.')
param identityName string

@description('The app settings that the code reads.')
param appSettings { *: string }

@description('Where its telemetry goes.')
param applicationInsightsConnectionString string

@description('The version of Python.')
param pythonVersion string

@description('Memory of one instance in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int

@description('Requests one instance serves at a time, and the threads it serves them in. By default Azure gives a Python instance one request at a time, and 5 or 1,000 threads.')
param httpConcurrency int

@description('The most instances it may grow to.')
param maximumInstanceCount int

@description('Instances kept warm at all times.')
param alwaysReadyInstances int

@description('Origins of web pages that may call it. Empty: CORS is off.')
param corsOrigins string[]

@description('Its place in a private network. null: neither the storage nor the app is in one.')
param network place?

@description('Makes the names unique.')
param resourceToken string

@description('The region.')
param location string

@description('Tags of the deployment.')
param tags { *: string }

// https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook#hostjson-settings
var hostJson hostFile = loadJsonContent('../host.json')
var routePrefix = hostJson.?extensions.?http.?routePrefix ?? 'api'
var basePath = empty(routePrefix) ? '' : '/${routePrefix}'
var storageBlobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource storage 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: 'st${serviceName}${resourceToken}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: network == null ? 'Enabled' : 'Disabled'
  }

  resource blobs 'blobServices' = {
    name: 'default'

    resource packages 'containers' = {
      name: 'packages'
    }
  }
}

resource storageRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, identity.id, storageBlobDataOwner)
  scope: storage
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataOwner)
  }
}

module storageEndpoint 'private-endpoint.bicep' = if (network != null) {
  params: {
    name: 'pep-${storage.name}'
    targetId: storage.id
    part: 'blob'
    networkName: network!.network
    subnetName: network!.endpointSubnet
    zoneName: network!.blobZone
    location: location
    tags: tags
  }
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-${serviceName}-${resourceToken}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: 'func-${serviceName}-${resourceToken}'
  location: location
  tags: union(tags, {
    'azd-service-name': serviceName
  })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    virtualNetworkSubnetId: network == null
      ? null
      : resourceId('Microsoft.Network/virtualNetworks/subnets', network!.network, network!.subnet)
    publicNetworkAccess: network.?siteZone == null ? 'Enabled' : 'Disabled'
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${storage::blobs::packages.name}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: {
        name: 'python'
        version: pythonVersion
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyInstances == 0
          ? []
          : [
              {
                name: 'http'
                instanceCount: alwaysReadyInstances
              }
            ]
        triggers: {
          http: {
            perInstanceConcurrency: httpConcurrency
          }
        }
      }
    }
    // Most other site settings are refused on Flex Consumption, among them ftpsState, linuxFxVersion and alwaysOn.
    siteConfig: {
      minTlsVersion: '1.2'
      http20Enabled: true
      cors: {
        allowedOrigins: corsOrigins
      }
    }
  }
  // A role takes a while to spread. A host that starts without the role or without access to its storage fails. So does
  // the first deployment.
  dependsOn: [storageRole, storageEndpoint]

  // This list replaces settings made by hand. The platform's own settings come last, so that no other can replace them.
  resource settings 'config' = {
    name: 'appsettings'
    properties: union(appSettings, {
      PYTHON_THREADPOOL_THREAD_COUNT: string(httpConcurrency)
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identity.properties.clientId
      AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
      APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsightsConnectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
    })
  }
}

module siteEndpoint 'private-endpoint.bicep' = if (network.?siteZone != null) {
  params: {
    name: 'pep-${site.name}'
    targetId: site.id
    part: 'sites'
    networkName: network!.network
    subnetName: network!.endpointSubnet
    zoneName: network!.siteZone!
    location: location
    tags: tags
  }
}

@description('The name of the app.')
output name string = site.name

@description('The base URL of all routes: the address of the app, with the route prefix of host.json.')
output baseUrl string = 'https://${site.properties.defaultHostName}${basePath}'
