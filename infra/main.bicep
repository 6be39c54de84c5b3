// Lifetime: that of one azd environment. `azd down` deletes the resource group; the app registrations, which are not in it, go
// by the hook postdown.py.
// Role: everything the template needs, in the order in which one thing needs the next:
// identities → monitoring, vault → certificate → app registrations → Orders, token cache → API.
// Reason: each module grants the rights to what it creates, so a right is in place before whoever needs it starts, and
// docs/security.md lists them all.

targetScope = 'subscription'

@description('Names this deployment: its resource group and its app registrations carry it. azd gives the environment name.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('The region for everything. It must offer Flex Consumption (az functionapp list-flexconsumption-locations).')
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@description('How the API proves itself to Entra. managedIdentity leaves nothing to rotate; choose it also where policy forbids storage keys, because the deployment script that makes the certificate fails there.')
@allowed(['certificate', 'managedIdentity'])
param clientCredential string = 'certificate'

@description('Give a new value, such as today\'s date, to replace the certificate: each value makes one new version.')
@minLength(1)
@maxLength(64)
param certificateRotationTag string = 'first'

@description('Give true in production: a deleted vault then stays recoverable for seven days, whatever happens. It cannot be undone, and for those days the same environment cannot be created anew.')
param purgeProtection bool = false

@description('Give true to consent for every user to what the API calls. It takes an Entra administrator to deploy; without one, send an administrator the output ADMIN_CONSENT_URL.')
param grantAdminConsent bool = false

@description('Client ids of tools that may get tokens for the API during development: 04b07795-8ddb-461a-bbee-02f9e1bf7b46 is the Azure CLI and azd. Leave it empty in production: any program beside such a tool can use it.')
param developerToolClientIds string[] = []

@description('Origins of single-page apps that call the API, such as https://app.example.com. Each is let in by CORS and registered as a redirect URI of the client.')
param browserOrigins string[] = []

@description('Service or asset id from your own inventory. Give it where the tenant demands one on every app registration.')
param serviceManagementReference string = ''

@description('The version of Python both apps run on.')
@allowed(['3.11', '3.12', '3.13', '3.14'])
param pythonVersion string = '3.13'

@description('Memory of one API instance in MB; CPU comes with it (512 is a quarter of a core, 2048 one, 4096 two).')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Requests one instance serves at a time, and the threads it has for them. The two are one number: with fewer threads requests queue where nothing measures it, with more the rest is never used. 64 suits requests that mostly wait for Entra, Graph and Orders; lower it for functions that compute.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 64

@description('The most instances the API may grow to. Below 40 in some regions only. Scaling by HTTP may exceed it: it is no bound on cost.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 100

@description('API instances kept warm and paid for at all times. Give 1 or 2 where the first call must not wait for a start.')
@minValue(0)
param alwaysReadyInstances int = 0

@description('Share exchanged tokens between instances through Azure Managed Redis, so that a user costs one exchange per fleet and not one per instance. Paid for at all times; worth it from a handful of instances on.')
param sharedTokenCache bool = false

var resourceToken = uniqueString(subscription().id, environmentName, location)
var useCertificate = clientCredential == 'certificate'
var certificateName = 'api-client'
// Names go to modules from here and never through another module's outputs, so `azd provision --preview` can show them. A
// module that looks something up by such a name waits for it by dependsOn. For the same reason a role assignment is named by
// the path of its identity and not by its object id. An identity that is deleted and made anew has another object id, which
// Azure refuses to put into the old assignment: delete that one first (docs/deploy.md, "When it fails").
var apiIdentityName = 'id-api-${resourceToken}'
var ordersIdentityName = 'id-orders-${resourceToken}'
var keyVaultName = 'kv-${resourceToken}'
var tags = {
  'azd-env-name': environmentName
}

resource resourceGroup 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module apiIdentity 'identity.bicep' = {
  scope: resourceGroup
  params: {
    name: apiIdentityName
    location: location
    tags: tags
  }
}

module ordersIdentity 'identity.bicep' = {
  scope: resourceGroup
  params: {
    name: ordersIdentityName
    location: location
    tags: tags
  }
}

module monitoring 'monitoring.bicep' = {
  scope: resourceGroup
  params: {
    publisherIdentityNames: [apiIdentityName, ordersIdentityName]
    workspaceName: 'log-${resourceToken}'
    applicationInsightsName: 'appi-${resourceToken}'
    location: location
    tags: tags
  }
  dependsOn: [apiIdentity, ordersIdentity]
}

module keyVault 'key-vault.bicep' = if (useCertificate) {
  scope: resourceGroup
  params: {
    readerIdentityName: apiIdentityName
    purgeProtection: purgeProtection
    auditWorkspaceId: monitoring.outputs.workspaceId
    name: keyVaultName
    location: location
    tags: tags
  }
  dependsOn: [apiIdentity]
}

module clientCertificate 'client-certificate.bicep' = if (useCertificate) {
  scope: resourceGroup
  params: {
    rotationTag: certificateRotationTag
    certificateName: certificateName
    keyVaultName: keyVaultName
    location: location
    tags: tags
  }
  dependsOn: [keyVault]
}

module appRegistrations 'app-registrations.bicep' = {
  scope: resourceGroup
  params: {
    apiCertificates: useCertificate ? clientCertificate!.outputs.publicCertificates : []
    apiIdentityVouches: !useCertificate
    apiIdentityPrincipalId: apiIdentity.outputs.principalId
    grantAdminConsent: grantAdminConsent
    developerToolClientIds: developerToolClientIds
    browserOrigins: browserOrigins
    serviceManagementReference: serviceManagementReference
    environmentName: environmentName
    resourceToken: resourceToken
  }
}

module orders 'function-app.bicep' = {
  scope: resourceGroup
  params: {
    serviceName: 'orders'
    identityName: ordersIdentityName
    appSettings: {
      PYTHON_SCRIPT_FILE_NAME: 'downstream_app.py'
      AzureAd__Instance: environment().authentication.loginEndpoint
      AzureAd__TenantId: tenant().tenantId
      AzureAd__ClientId: appRegistrations.outputs.ordersClientId
      AzureAd__Scopes: 'Orders.Read'
    }
    applicationInsightsConnectionString: monitoring.outputs.connectionString
    pythonVersion: pythonVersion
    instanceMemoryMB: 512
    httpConcurrency: httpConcurrency
    maximumInstanceCount: 40
    alwaysReadyInstances: 0
    corsOrigins: []
    resourceToken: resourceToken
    location: location
    tags: tags
  }
  dependsOn: [ordersIdentity]
}

var clientCredentialSettings = useCertificate
  ? {
      AzureAd__ClientCredentials__0__SourceType: 'KeyVault'
      AzureAd__ClientCredentials__0__KeyVaultUrl: keyVault!.outputs.uri
      AzureAd__ClientCredentials__0__KeyVaultCertificateName: certificateName
      AzureAd__ClientCredentials__0__ManagedIdentityClientId: apiIdentity.outputs.clientId
    }
  : {
      AzureAd__ClientCredentials__0__SourceType: 'SignedAssertionFromManagedIdentity'
      AzureAd__ClientCredentials__0__ManagedIdentityClientId: apiIdentity.outputs.clientId
      AzureAd__ClientCredentials__0__TokenExchangeUrl: 'api://AzureADTokenExchange'
    }

module tokenCache 'token-cache.bicep' = if (sharedTokenCache) {
  scope: resourceGroup
  params: {
    writerIdentityName: apiIdentityName
    skuName: 'Balanced_B0'
    name: 'redis-${resourceToken}'
    location: location
    tags: tags
  }
  dependsOn: [apiIdentity]
}

var tokenCacheSettings = sharedTokenCache
  ? {
      TokenCache__Redis__Url: 'rediss://${tokenCache!.outputs.hostName}:${tokenCache!.outputs.port}'
      TokenCache__Redis__ManagedIdentityClientId: apiIdentity.outputs.clientId
    }
  : {}

module api 'function-app.bicep' = {
  scope: resourceGroup
  params: {
    serviceName: 'api'
    identityName: apiIdentityName
    appSettings: union(clientCredentialSettings, tokenCacheSettings, {
      AzureAd__Instance: environment().authentication.loginEndpoint
      AzureAd__TenantId: tenant().tenantId
      AzureAd__ClientId: appRegistrations.outputs.apiClientId
      AzureAd__Scopes: 'access_as_user'
      DownstreamApis__Graph__BaseUrl: 'https://graph.microsoft.com/v1.0'
      DownstreamApis__Graph__Scopes: 'https://graph.microsoft.com/.default'
      DownstreamApis__Orders__BaseUrl: orders.outputs.baseUrl
      DownstreamApis__Orders__Scopes: appRegistrations.outputs.ordersScopes
    })
    applicationInsightsConnectionString: monitoring.outputs.connectionString
    pythonVersion: pythonVersion
    instanceMemoryMB: instanceMemoryMB
    httpConcurrency: httpConcurrency
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    corsOrigins: browserOrigins
    resourceToken: resourceToken
    location: location
    tags: tags
  }
}

// azd writes these to its .env in clear: names, addresses and ids only, never a secret.

@description('The resource group that holds everything but the app registrations.')
output AZURE_RESOURCE_GROUP string = resourceGroup.name

@description('The tenant. Not called AZURE_TENANT_ID, which azd and azure-identity read for purposes of their own.')
output TENANT_ID string = tenant().tenantId

@description('The Functions app of the API.')
output AZURE_FUNCTION_NAME string = api.outputs.name

@description('The API; its routes follow.')
output API_BASE_URL string = api.outputs.baseUrl

@description('The client id of the API.')
output API_CLIENT_ID string = appRegistrations.outputs.apiClientId

@description('What a client asks for to call the API.')
output API_SCOPE string = appRegistrations.outputs.apiScope

@description('The client id of the client.')
output CLIENT_APP_ID string = appRegistrations.outputs.clientClientId

@description('The Functions app of Orders.')
output AZURE_ORDERS_FUNCTION_NAME string = orders.outputs.name

@description('Orders; its routes follow.')
output ORDERS_BASE_URL string = orders.outputs.baseUrl

@description('The client id of Orders.')
output ORDERS_CLIENT_ID string = appRegistrations.outputs.ordersClientId

@description('What the API asks for to call Orders, separated by spaces.')
output ORDERS_SCOPES string = appRegistrations.outputs.ordersScopes

@description('What the hook postdown.py deletes: the app registrations are not in the resource group.')
output APP_REGISTRATION_OBJECT_IDS string = appRegistrations.outputs.objectIds

@description('Empty when the managed identity is the credential.')
output KEY_VAULT_NAME string = useCertificate ? keyVaultName : ''

@description('Where an administrator consents for everybody to what the API calls.')
output ADMIN_CONSENT_URL string = '${environment().authentication.loginEndpoint}${tenant().tenantId}/adminconsent?client_id=${appRegistrations.outputs.apiClientId}'
