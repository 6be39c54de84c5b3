// Lifetime: that of one azd environment. `azd down` deletes the resource group. The hook postdown.py deletes the app
// registrations, which are not in it.
// Role: everything the template needs, in the order of creation. Identities → monitoring, vault → certificate → app
// registrations → downstream API, token cache → API.
// Reason: each module grants the rights to what it creates. So a right exists before the identity that needs it starts.
// The page docs/security.md lists all rights.
// <orders>
// Marks: the lines up to the next </orders>, and each line with <orders/>, belong to Orders, the downstream API of the
// example. `python3 dev.py remove-orders` removes all of them.
// </orders>

targetScope = 'subscription'

import { publicCertificates } from 'client-certificate.bicep'

@description('Names this deployment. The names of its resource group and app registrations contain it. azd gives the environment name.')
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

@description('How the API proves itself to Entra. With vaultKey the private key of the certificate never leaves the vault. With managedIdentity there is nothing to rotate. Choose it also where a policy forbids storage keys: the script that makes the certificate needs one.')
@allowed(['certificate', 'vaultKey', 'managedIdentity'])
param clientCredential string = 'certificate'

@description('Give a new value, such as today\'s date, to replace the certificate: each value makes one new version.')
@minLength(1)
@maxLength(64)
param certificateRotationTag string = 'first'

@description('Give true in production: a deleted vault then stays recoverable for seven days. This cannot be undone. For those days the same environment cannot be created again.')
param purgeProtection bool = false

@description('Give true to consent for every user to the permissions of the API. An Entra administrator must deploy. Otherwise send an administrator the output ADMIN_CONSENT_URL.')
param grantAdminConsent bool = false

@description('Client ids of tools that may get tokens for the API during development: 04b07795-8ddb-461a-bbee-02f9e1bf7b46 is the Azure CLI and azd, aebc6443-996d-45c2-90f0-388ff96faa56 is VS Code. Name in production only what is used there: any program on the same machine can use such a tool.')
param developerToolClientIds string[] = []

@description('Origins of single-page apps that call the API, such as https://app.example.com. Each is allowed by CORS and registered as a redirect URI of the client.')
param browserOrigins string[] = []

@description('Further addresses of the API as clients write them, such as https://api.example.com/api/mcp of a custom domain. MCP clients and other agents learn there how to sign in. Each becomes an identifier URI of the API, so its domain must be verified in the tenant.')
param publicUrls string[] = []

@description('Does the same for the address of the API on azurewebsites.net. Give false if the tenant refuses it as an identifier URI. With allowedTenants or existingApiClientId it is left out.')
param publicHostName bool = true

@description('Redirect URIs of the MCP client, such as https://claude.ai/api/mcp/auth_callback, in addition to those on the machine of the user.')
param mcpRedirectUris string[] = []

@description('Give ab3be6b7-f5df-413d-ac2d-abf1e3fd9c0b, the client id of Microsoft 365 Copilot, to let it call the API for its users.')
param copilotClientId string = ''

@description('Service or asset id from your own inventory. Give it where the tenant demands one on every app registration.')
param serviceManagementReference string = ''

@description('The version of Python that the apps run on.')
@allowed(['3.11', '3.12', '3.13', '3.14'])
param pythonVersion string = '3.13'

@description('Memory of one API instance in MB; CPU comes with it (512 is a quarter of a core, 2048 one, 4096 two).')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Requests one instance serves at a time, and the threads it has for them. Both have the same value: fewer threads would make requests wait unseen, and more would never be used. 100 suits requests that mostly wait for other services. Give less for functions that compute.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 100

@description('The most instances the API may grow to. Some regions only allow less than 40. Scaling by HTTP may exceed it, so it does not limit the cost.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 100

@description('API instances that always run and are always paid for. Give 1 or 2 if no call may wait for a start.')
@minValue(0)
param alwaysReadyInstances int = 0

@description('Share exchanged tokens between instances through Azure Managed Redis, so that a user needs one exchange in the whole fleet and not one per instance. Always paid for. Worth it from about four instances on.')
param sharedTokenCache bool = false

@description('An e-mail address that gets four alerts. With it the deployment also has a workbook: docs/operations.md. An alert costs a little each month.')
param alertEmail string = ''

// App registrations of somebody else. The values go together. They are the outputs of registrations.bicep.

@description('Client id of an API that somebody else registered. Then this deployment registers nothing.')
param existingApiClientId string = ''

@description('What a client asks for to call that API, such as api://…/access_as_user.')
param existingApiScope string = ''

// <orders>
@description('Client id of Orders, if somebody else registered it.')
param existingOrdersClientId string = ''

@description('What the API asks for to call that Orders: its scopes, separated by spaces.')
param existingOrdersScopes string = ''
// </orders>

@description('Client id of a client that somebody else registered, for the commands that call the API. May be left out.')
param existingClientAppId string = ''

// A certificate of one's own.

@description('Resource id of an existing vault that holds the certificate. It must use Azure RBAC. Then this deployment makes no vault and no certificate.')
param existingVaultId string = ''

@description('The name of the certificate in that vault.')
param existingCertificateName string = ''

@description('The public part of the certificate: PEM, or the base64 of its DER form. Give two PEM blocks, the newest first, while the certificate is being replaced.')
param existingCertificatePem string = ''

// A private network.

@description('Closes storage, vault and cache to all networks but the one that the apps call from. The API itself stays reachable from everywhere.')
param privateNetwork bool = false

@description('The addresses of that network, in CIDR notation: a /24 or larger. Choose addresses that no connected network uses.')
param networkAddressPrefix string = '10.97.0.0/24'

// <orders>
@description('Closes Orders as well, so that only the network can call it and deploy to it.')
param ordersPrivate bool = false
// </orders>

// Who may call, and who may change the registrations.

@description('Lets only assigned users call the apps of this deployment. Without it every member and guest of the tenant may sign in.')
param requireAssignment bool = false

@description('Object ids of the users and groups that are assigned.')
param assignedPrincipalIds string[] = []

@description('Object ids of service principals that may call the API as applications: they get its role Jobs.Run. For a managed identity it is the principal id.')
param jobPrincipalIds string[] = []

@description('Ids of further tenants whose users may call, or the one word any. An administrator of each then consents once.')
param allowedTenants string[] = []

@description('Object ids of users and service principals that own the app registrations as well, so that they can deploy again. The principal that deploys first is an owner already.')
param registrationOwnerIds string[] = []

@description('The cloud. The default is the one that is deployed to. Only in AzureCloud can a deployment register apps.')
param cloud string = environment().name

// The hooks read the same sentences, and refuse the same combinations before a deployment.
var sentences = loadJsonContent('refusals.json')
// All that differs between the clouds. The hooks read the same file.
var cloudFacts = loadJsonContent('clouds.json')[?cloud] ?? fail(sentences.cloudUnknown)

var resourceToken = uniqueString(subscription().id, environmentName, location)
var useCertificate = clientCredential != 'managedIdentity'
var keyStaysInVault = clientCredential == 'vaultKey'
var useExistingRegistrations = !empty(existingApiClientId)
var useExistingVault = useCertificate && !empty(existingVaultId)
var makeCertificate = useCertificate && empty(existingVaultId)
var certificateName = useExistingVault ? existingCertificateName : 'api-client'

var ofTheirRegistrations = {
  existingApiClientId: existingApiClientId
  existingApiScope: existingApiScope
  existingOrdersClientId: existingOrdersClientId // <orders/>
  existingOrdersScopes: existingOrdersScopes // <orders/>
}
var givenOfTheirs = filter(items(ofTheirRegistrations), each => !empty(each.value))
var changesRegistrations = {
  grantAdminConsent: grantAdminConsent
  developerToolClientIds: !empty(developerToolClientIds)
  serviceManagementReference: !empty(serviceManagementReference)
  requireAssignment: requireAssignment
  assignedPrincipalIds: !empty(assignedPrincipalIds)
  jobPrincipalIds: !empty(jobPrincipalIds)
  registrationOwnerIds: !empty(registrationOwnerIds)
  mcpRedirectUris: !empty(mcpRedirectUris)
}

// Azure evaluates the scope of a module even when it is not deployed. So each part has a value even without a vault.
var vaultPath = split(existingVaultId, '/')
var vaultSubscription = vaultPath[?2] ?? subscription().subscriptionId

// Refuses what cannot work before anything is created, because the name of the resource group depends on it.
var refusals = filter(
  concat(
    map(
      filter(items(changesRegistrations), each => useExistingRegistrations && each.value),
      each => format(sentences.changesTheirRegistrations, each.key)
    ),
    [
      length(givenOfTheirs) < length(items(ofTheirRegistrations)) && !(empty(givenOfTheirs) && empty(existingClientAppId))
        ? format(sentences.existingRegistrationsIncomplete, join(objectKeys(ofTheirRegistrations), ', '))
        : ''
      cloud != 'AzureCloud' && !useExistingRegistrations ? sentences.cloudWithoutRegistrations : ''
      empty(existingVaultId) != empty(existingCertificateName) ? sentences.existingVaultIncomplete : ''
      !empty(existingVaultId) && (length(vaultPath) != 9 || toLower(vaultPath[?7] ?? '') != 'vaults')
        ? sentences.existingVaultIdMalformed
        : ''
      !empty(existingVaultId) && empty(existingCertificatePem) && !useExistingRegistrations
        ? sentences.existingVaultWithoutPublicPart
        : ''
      !empty(existingVaultId) && !useCertificate ? sentences.existingVaultUnused : ''
      !empty(existingVaultId) && certificateRotationTag != 'first' ? sentences.existingVaultRotation : ''
      contains(existingCertificatePem, 'PRIVATE KEY')
        ? format(sentences.certificateIsPrivate, 'existingCertificatePem')
        : ''
      privateNetwork && makeCertificate ? sentences.privateNetworkAndScript : ''
      privateNetwork && parseCidr(networkAddressPrefix).cidr > 24 ? sentences.privateNetworkTooSmall : ''
      ordersPrivate && !privateNetwork ? sentences.ordersPrivateWithoutNetwork : '' // <orders/>
      privateNetwork && sharedTokenCache && empty(cloudFacts.cacheZone) ? sentences.cacheWithoutZone : ''
      !empty(assignedPrincipalIds) && !requireAssignment ? sentences.assignedWithoutRequirement : ''
    ]
  ),
  sentence => !empty(sentence)
)
var resourceGroupName = empty(refusals) ? 'rg-${environmentName}' : fail(join(refusals, ' '))

// Names go to modules from here and never through another module's outputs, so `azd provision --preview` can show them. A
// module that looks something up by such a name waits for it by dependsOn. For the same reason a role assignment is named by
// the path of its identity and not by its object id. An identity that was deleted and created again has another object id.
// Azure refuses to put that id into the old assignment. Delete the old one first (docs/deploy.md, "When it fails").
var apiIdentityName = 'id-api-${resourceToken}'
var ordersIdentityName = 'id-orders-${resourceToken}' // <orders/>
var applicationInsightsName = 'appi-${resourceToken}'
var keyVaultName = useExistingVault ? last(vaultPath) : 'kv-${resourceToken}'
var tags = {
  'azd-env-name': environmentName
}

resource resourceGroup 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: resourceGroupName
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

// <orders>
module ordersIdentity 'identity.bicep' = {
  scope: resourceGroup
  params: {
    name: ordersIdentityName
    location: location
    tags: tags
  }
}

// </orders>
module monitoring 'monitoring.bicep' = {
  scope: resourceGroup
  params: {
    publisherIdentityNames: [
      apiIdentityName
      ordersIdentityName // <orders/>
    ]
    workspaceName: 'log-${resourceToken}'
    applicationInsightsName: applicationInsightsName
    location: location
    tags: tags
  }
  dependsOn: [
    apiIdentity
    ordersIdentity // <orders/>
  ]
}

module operations 'operations.bicep' = if (!empty(alertEmail)) {
  scope: resourceGroup
  params: {
    email: alertEmail
    applicationInsightsName: applicationInsightsName
    resourceToken: resourceToken
    location: location
    tags: tags
  }
  dependsOn: [monitoring]
}

var networkName = 'vnet-${resourceToken}'
var endpointSubnet = 'endpoints'
var blobZone = 'privatelink.blob.${cloudFacts.storageSuffix}'
var zonesOfOptions = flatten([
  useExistingVault ? [cloudFacts.vaultZone] : []
  sharedTokenCache ? [cloudFacts.cacheZone] : []
  ordersPrivate ? [cloudFacts.sitesZone] : [] // <orders/>
])

module network 'network.bicep' = if (privateNetwork) {
  scope: resourceGroup
  params: {
    name: networkName
    addressPrefix: networkAddressPrefix
    appSubnetNames: [
      'api'
      'orders' // <orders/>
    ]
    endpointSubnetName: endpointSubnet
    zoneNames: [blobZone, ...zonesOfOptions]
    location: location
    tags: tags
  }
}

var placeOfApi = {
  network: networkName
  subnet: 'api'
  endpointSubnet: endpointSubnet
  blobZone: blobZone
}

// <orders>
var placeOfOrders = {
  network: networkName
  subnet: 'orders'
  endpointSubnet: endpointSubnet
  blobZone: blobZone
  siteZone: ordersPrivate ? cloudFacts.sitesZone : null
}

// </orders>
module keyVault 'key-vault.bicep' = if (makeCertificate) {
  scope: resourceGroup
  params: {
    readerIdentityName: apiIdentityName
    keyStaysInVault: keyStaysInVault
    purgeProtection: purgeProtection
    auditWorkspaceId: monitoring.outputs.workspaceId
    name: keyVaultName
    location: location
    tags: tags
  }
  dependsOn: [apiIdentity]
}

module clientCertificate 'client-certificate.bicep' = if (makeCertificate) {
  scope: resourceGroup
  params: {
    rotationTag: certificateRotationTag
    certificateName: certificateName
    exportable: !keyStaysInVault
    keyVaultName: keyVaultName
    location: location
    tags: tags
  }
  dependsOn: [keyVault]
}

module vaultReader 'vault-reader.bicep' = if (useExistingVault) {
  scope: az.resourceGroup(vaultSubscription, vaultPath[?4] ?? resourceGroupName)
  params: {
    readerIdentityName: apiIdentityName
    readerSubscriptionId: subscription().subscriptionId
    readerResourceGroup: resourceGroupName
    keyVaultName: last(vaultPath)
    certificateName: existingCertificateName
    keyStaysInVault: keyStaysInVault
  }
  dependsOn: [apiIdentity]
}

module vaultEndpoint 'private-endpoint.bicep' = if (useExistingVault && privateNetwork) {
  scope: resourceGroup
  params: {
    name: 'pep-${keyVaultName}'
    targetId: existingVaultId
    part: 'vault'
    networkName: networkName
    subnetName: endpointSubnet
    zoneName: cloudFacts.vaultZone
    location: location
    tags: tags
  }
  dependsOn: [network]
}

// The name of the site is known before the site is there, which needs the registrations. An identifier URI of an app for
// several tenants must be in a domain of this tenant, and azurewebsites.net is not.
var hostUrl = 'https://func-api-${resourceToken}.azurewebsites.net'
var registersHost = publicHostName && !useExistingRegistrations && empty(allowedTenants)
var allPublicUrls = concat(registersHost ? ['${hostUrl}/api/mcp', hostUrl] : [], publicUrls)
var identityIssuer = '${cloudFacts.loginEndpoint}${tenant().tenantId}/v2.0'

module appRegistrations 'app-registrations.bicep' = if (!useExistingRegistrations) {
  params: {
    apiCertificates: makeCertificate
      ? clientCertificate!.outputs.publicCertificates
      : publicCertificates(existingCertificatePem)
    apiIdentityVouches: !useCertificate
    apiIdentityPrincipalId: apiIdentity.outputs.principalId
    apiIdentityIssuer: identityIssuer
    apiIdentityAudience: cloudFacts.tokenExchangeAudience
    requireAssignment: requireAssignment
    assignedPrincipalIds: assignedPrincipalIds
    jobPrincipalIds: jobPrincipalIds
    forSeveralTenants: !empty(allowedTenants)
    ownerIds: registrationOwnerIds
    grantAdminConsent: grantAdminConsent
    developerToolClientIds: developerToolClientIds
    browserOrigins: browserOrigins
    publicUrls: allPublicUrls
    mcpRedirectUris: mcpRedirectUris
    copilotClientId: copilotClientId
    serviceManagementReference: serviceManagementReference
    environmentName: environmentName
    resourceToken: resourceToken
  }
}

var registered = useExistingRegistrations
  ? {
      apiClientId: existingApiClientId
      apiScope: existingApiScope
      ordersClientId: existingOrdersClientId // <orders/>
      ordersScopes: existingOrdersScopes // <orders/>
      clientClientId: existingClientAppId
      mcpClientId: ''
    }
  : {
      apiClientId: appRegistrations!.outputs.apiClientId
      apiScope: appRegistrations!.outputs.apiScope
      ordersClientId: appRegistrations!.outputs.ordersClientId // <orders/>
      ordersScopes: appRegistrations!.outputs.ordersScopes // <orders/>
      clientClientId: appRegistrations!.outputs.clientClientId
      mcpClientId: appRegistrations!.outputs.mcpClientId
    }

var tenantSettings = empty(allowedTenants)
  ? {
      AzureAd__TenantId: tenant().tenantId
    }
  : {
      AzureAd__TenantId: 'organizations'
      AzureAd__AllowedTenants: contains(allowedTenants, 'any')
        ? 'any'
        : join(union([tenant().tenantId], allowedTenants), ' ')
    }

// <orders>
module orders 'function-app.bicep' = {
  scope: resourceGroup
  params: {
    serviceName: 'orders'
    identityName: ordersIdentityName
    appSettings: union(tenantSettings, {
      PYTHON_SCRIPT_FILE_NAME: 'downstream_app.py'
      AzureAd__Instance: cloudFacts.loginEndpoint
      AzureAd__ClientId: registered.ordersClientId
      AzureAd__Scopes: 'Orders.Read'
    })
    applicationInsightsConnectionString: monitoring.outputs.connectionString
    pythonVersion: pythonVersion
    instanceMemoryMB: 512
    httpConcurrency: httpConcurrency
    maximumInstanceCount: 40
    alwaysReadyInstances: 0
    corsOrigins: []
    network: privateNetwork ? placeOfOrders : null
    resourceToken: resourceToken
    location: location
    tags: tags
  }
  dependsOn: [ordersIdentity, network]
}

// </orders>
var keyVaultUrl = useExistingVault
  ? 'https://${keyVaultName}.${cloudFacts.vaultSuffix}/'
  : makeCertificate ? keyVault!.outputs.uri : ''
var clientCredentialSettings = useCertificate
  ? {
      AzureAd__ClientCredentials__0__SourceType: keyStaysInVault ? 'SignedAssertionFromVault' : 'KeyVault'
      AzureAd__ClientCredentials__0__KeyVaultUrl: keyVaultUrl
      AzureAd__ClientCredentials__0__KeyVaultCertificateName: certificateName
      AzureAd__ClientCredentials__0__ManagedIdentityClientId: apiIdentity.outputs.clientId
    }
  : {
      AzureAd__ClientCredentials__0__SourceType: 'SignedAssertionFromManagedIdentity'
      AzureAd__ClientCredentials__0__ManagedIdentityClientId: apiIdentity.outputs.clientId
      AzureAd__ClientCredentials__0__TokenExchangeUrl: cloudFacts.tokenExchangeAudience
    }

module tokenCache 'token-cache.bicep' = if (sharedTokenCache) {
  scope: resourceGroup
  params: {
    writerIdentityName: apiIdentityName
    skuName: 'Balanced_B0'
    name: 'redis-${resourceToken}'
    network: privateNetwork ? placeOfApi : null
    zoneName: cloudFacts.cacheZone
    location: location
    tags: tags
  }
  dependsOn: [apiIdentity, network]
}

var tokenCacheSettings = sharedTokenCache
  ? {
      TokenCache__Redis__Url: 'rediss://${tokenCache!.outputs.hostName}:${tokenCache!.outputs.port}'
      TokenCache__Redis__ManagedIdentityClientId: apiIdentity.outputs.clientId
    }
  : {}

var agentSettings = union(
  empty(allPublicUrls)
    ? {}
    : {
        AzureAd__PublicUrls: join(allPublicUrls, ' ')
      },
  empty(copilotClientId)
    ? {}
    : {
        AzureAd__ConsentPromptClients: copilotClientId
      }
)

module api 'function-app.bicep' = {
  scope: resourceGroup
  params: {
    serviceName: 'api'
    identityName: apiIdentityName
    appSettings: union(clientCredentialSettings, tokenCacheSettings, tenantSettings, agentSettings, {
      AzureAd__Instance: cloudFacts.loginEndpoint
      AzureAd__ClientId: registered.apiClientId
      AzureAd__Scopes: 'access_as_user'
      DownstreamApis__Graph__BaseUrl: '${cloudFacts.graphEndpoint}/v1.0'
      DownstreamApis__Graph__Scopes: '${cloudFacts.graphEndpoint}/.default'
      DownstreamApis__Orders__BaseUrl: '${orders.outputs.baseUrl}/api' // <orders/>
      DownstreamApis__Orders__Scopes: registered.ordersScopes // <orders/>
    })
    applicationInsightsConnectionString: monitoring.outputs.connectionString
    pythonVersion: pythonVersion
    instanceMemoryMB: instanceMemoryMB
    httpConcurrency: httpConcurrency
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    corsOrigins: browserOrigins
    network: privateNetwork ? placeOfApi : null
    resourceToken: resourceToken
    location: location
    tags: tags
  }
  dependsOn: [network, vaultReader, vaultEndpoint]
}

// azd writes these to its .env in the clear. They are names, addresses and ids, never a secret.

@description('The resource group that holds everything but the app registrations.')
output AZURE_RESOURCE_GROUP string = resourceGroup.name

@description('The tenant. Not named AZURE_TENANT_ID, because azd and azure-identity read that name.')
output TENANT_ID string = tenant().tenantId

@description('The Functions app of the API.')
output AZURE_FUNCTION_NAME string = api.outputs.name

@description('The base URL of the API.')
output API_BASE_URL string = api.outputs.baseUrl

@description('The client id of the API.')
output API_CLIENT_ID string = registered.apiClientId

@description('What a client asks for to call the API.')
output API_SCOPE string = registered.apiScope

@description('The client id of the client.')
output CLIENT_APP_ID string = registered.clientClientId

@description('What a person types into an MCP client. Empty when no address of the API is registered.')
output MCP_URL string = allPublicUrls[?0] ?? ''

@description('The client id for an MCP client. Empty when somebody else registered it.')
output MCP_CLIENT_ID string = registered.mcpClientId

// <orders>
@description('The Functions app of Orders.')
output AZURE_ORDERS_FUNCTION_NAME string = orders.outputs.name

@description('Orders, as user.api("Orders") calls it.')
output ORDERS_BASE_URL string = '${orders.outputs.baseUrl}/api'

@description('The client id of Orders.')
output ORDERS_CLIENT_ID string = registered.ordersClientId

@description('What the API asks for to call Orders, separated by spaces.')
output ORDERS_SCOPES string = registered.ordersScopes
// </orders>

@description('The app registrations that the hook postdown.py deletes. They are not in the resource group. Empty when they are somebody else\'s.')
output APP_REGISTRATION_OBJECT_IDS string = useExistingRegistrations ? '' : appRegistrations!.outputs.objectIds

@description('Empty when the managed identity is the credential.')
output KEY_VAULT_NAME string = useCertificate ? keyVaultName : ''

@description('The vault as roles name it. Empty when the managed identity is the credential.')
output KEY_VAULT_ID string = useExistingVault
  ? existingVaultId
  : makeCertificate
      ? resourceId(subscription().subscriptionId, resourceGroupName, 'Microsoft.KeyVault/vaults', keyVaultName)
      : ''

@description('The address of the vault. Empty when the managed identity is the credential.')
output KEY_VAULT_URL string = keyVaultUrl

@description('The name of the certificate in the vault. Empty when the managed identity is the credential.')
output CREDENTIAL_NAME string = useCertificate ? certificateName : ''

@description('The cloud, by the name that the Azure CLI gives it.')
output CLOUD_NAME string = cloud

// What the identity team adds to the registration of the API, when it owns the registrations. All of it is public.

@description('The certificates, in one line of PEM blocks. Empty when the registrations were made here, or need none.')
output CREDENTIAL_PUBLIC_PART string = useExistingRegistrations && makeCertificate
  ? clientCertificate!.outputs.pem
  : useExistingRegistrations && useExistingVault ? existingCertificatePem : ''

@description('The subject of the federated credential. Empty when the registrations were made here, or need none.')
output CREDENTIAL_SUBJECT string = useExistingRegistrations && !useCertificate ? apiIdentity.outputs.principalId : ''

@description('The issuer of the federated credential. Empty when the registrations were made here, or need none.')
output CREDENTIAL_ISSUER string = useExistingRegistrations && !useCertificate ? identityIssuer : ''

@description('The audience of the federated credential. Empty when the registrations were made here, or need none.')
output CREDENTIAL_AUDIENCE string = useExistingRegistrations && !useCertificate ? cloudFacts.tokenExchangeAudience : ''

@description('The page where an administrator consents for everybody to the permissions of the API.')
output ADMIN_CONSENT_URL string = '${cloudFacts.loginEndpoint}${tenant().tenantId}/adminconsent?client_id=${registered.apiClientId}'
