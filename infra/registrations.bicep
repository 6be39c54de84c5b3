// Lifetime: that of the tenant. Only the identity team deletes these: `azd down` does not.
// Role: the app registrations alone, for tenants where an identity team makes them. It creates no Azure resource.
// 1. The identity team deploys this file, in any subscription of the tenant:
//      az deployment sub create --name registrations --location REGION --template-file infra/registrations.bicep
//        --parameters environmentName=NAME
//    and hands over the outputs: az deployment sub show --name registrations --query properties.outputs
// 2. The application team sets each output under its own name (azd env set NAME VALUE) and types azd up.
// 3. The identity team deploys this file again with the credential of the API that azd up has put out: apiIdentityPrincipalId
//    or apiCertificatePem.
// Rights: Application Developer in Entra, and Contributor on the subscription, where the deployment itself is kept.
// Reason: registering apps and running them are two teams in many tenants, and neither has the rights of the other.

targetScope = 'subscription'

import { publicCertificates } from 'client-certificate.bicep'

@description('Names these registrations: their display names carry it, and a second deployment of the same name changes them.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('The principal id of the API\'s managed identity, when that is its credential: CREDENTIAL_SUBJECT of azd up.')
param apiIdentityPrincipalId string = ''

@description('The public part of the API\'s certificate, when that is its credential: CREDENTIAL_PUBLIC_PART of azd up, or any PEM.')
param apiCertificatePem string = ''

@description('Give true to consent for every user to what the API calls. It takes an Entra administrator to deploy.')
param grantAdminConsent bool = false

@description('Client ids of tools that may get tokens for the API during development. Leave it empty in production.')
param developerToolClientIds string[] = []

@description('Origins of single-page apps that call the API: redirect URIs of the client.')
param browserOrigins string[] = []

@description('Addresses of the API as clients write them, such as https://api.example.com/api/mcp. Each becomes an identifier URI of the API. The application team sets them as API_PUBLIC_URLS.')
param publicUrls string[] = []

@description('Redirect URIs of the MCP client, such as https://claude.ai/api/mcp/auth_callback, in addition to those on the machine of the user.')
param mcpRedirectUris string[] = []

@description('Client id of Microsoft 365 Copilot, if it may call the API. The application team sets COPILOT_CLIENT_ID as well.')
param copilotClientId string = ''

@description('Service or asset id from your own inventory. Give it where the tenant demands one on every app registration.')
param serviceManagementReference string = ''

@description('Lets only assigned users call these APIs. Without it every member and guest of the tenant may sign in.')
param requireAssignment bool = false

@description('Object ids of the users and groups that are assigned.')
param assignedPrincipalIds string[] = []

@description('Object ids of service principals that get the role Jobs.Run of the API.')
param jobPrincipalIds string[] = []

@description('Lets other tenants install the apps. Their users may call once the application team lists the tenants in ALLOWED_TENANTS.')
param forSeveralTenants bool = false

@description('Object ids of users and service principals that own the registrations as well.')
param registrationOwnerIds string[] = []

// The Graph extension of Bicep is for this cloud alone.
var cloudFacts = loadJsonContent('clouds.json').AzureCloud
var sentences = loadJsonContent('refusals.json')

module appRegistrations 'app-registrations.bicep' = {
  params: {
    apiCertificates: contains(apiCertificatePem, 'PRIVATE KEY')
      ? fail(format(sentences.certificateIsPrivate, 'apiCertificatePem'))
      : publicCertificates(apiCertificatePem)
    apiIdentityVouches: !empty(apiIdentityPrincipalId)
    apiIdentityPrincipalId: apiIdentityPrincipalId
    apiIdentityIssuer: '${cloudFacts.loginEndpoint}${tenant().tenantId}/v2.0'
    apiIdentityAudience: cloudFacts.tokenExchangeAudience
    grantAdminConsent: grantAdminConsent
    developerToolClientIds: developerToolClientIds
    browserOrigins: browserOrigins
    publicUrls: publicUrls
    mcpRedirectUris: mcpRedirectUris
    copilotClientId: copilotClientId
    serviceManagementReference: serviceManagementReference
    requireAssignment: requireAssignment
    assignedPrincipalIds: assignedPrincipalIds
    jobPrincipalIds: jobPrincipalIds
    forSeveralTenants: forSeveralTenants
    ownerIds: registrationOwnerIds
    environmentName: environmentName
    resourceToken: uniqueString(tenant().tenantId, environmentName)
  }
}

@description('The client id of the API.')
output EXISTING_API_CLIENT_ID string = appRegistrations.outputs.apiClientId

@description('What a client asks for to call the API.')
output EXISTING_API_SCOPE string = appRegistrations.outputs.apiScope

// <orders>
@description('The client id of Orders.')
output EXISTING_ORDERS_CLIENT_ID string = appRegistrations.outputs.ordersClientId

@description('What the API asks for to call Orders, separated by spaces.')
output EXISTING_ORDERS_SCOPES string = appRegistrations.outputs.ordersScopes
// </orders>

@description('The client id of the client.')
output EXISTING_CLIENT_APP_ID string = appRegistrations.outputs.clientClientId
