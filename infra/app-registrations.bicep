// Lifetime: that of the tenant. Entra is outside the resource group: `azd down` leaves these, and the hook postdown.py
// deletes them. A unique name stays taken until its app is deleted for good.
// Role: the app registrations. The client calls the API, and the API calls Microsoft Graph and other APIs, always as the user.
// Managed identities may call the API as themselves, if they are given the role for it.
// The clients and the developer tools get tokens for the API without a prompt (pre-authorization). So does the API for the
// downstream API that is registered here. Microsoft Graph needs consent; `grantAdminConsent` gives it for every user.
// Reason: all are in one file, joined by symbols. A new app cannot be looked up at once, so an `existing` reference fails.

extension microsoftGraphV1

targetScope = 'subscription'

import { publicCertificate } from 'client-certificate.bicep'

@description('What the API signs its requests to Entra with, newest first. Empty when its managed identity is the credential.')
param apiCertificates publicCertificate[]

@description('Makes the managed identity of the API its credential. Leave it off when a certificate is.')
param apiIdentityVouches bool

@description('Principal id of the managed identity of the API.')
param apiIdentityPrincipalId string

@description('The issuer of the tokens of that identity: the tenant, as the cloud names it.')
param apiIdentityIssuer string

@description('The audience of those tokens. It depends on the cloud.')
param apiIdentityAudience string

@description('Lets only assigned users sign in.')
param requireAssignment bool

@description('Object ids of the users and groups that are assigned.')
param assignedPrincipalIds string[]

@description('Object ids of service principals, such as those of managed identities, that get the role Jobs.Run of the API.')
param jobPrincipalIds string[]

@description('Object ids of users and service principals that own the registrations, in addition to the one that creates them.')
param ownerIds string[]

@description('Consents for every user to the permissions of the API.')
param grantAdminConsent bool

@description('Client ids of tools that may get tokens for the API during development.')
param developerToolClientIds string[]

@description('Origins of single-page apps: redirect URIs of the client.')
param browserOrigins string[]

@description('The addresses of the API as its clients write them: identifier URIs of the API.')
param publicUrls string[]

@description('Redirect URIs of the MCP client, in addition to those on the machine of the user.')
param mcpRedirectUris string[]

@description('Client id of Microsoft 365 Copilot, which may then get tokens for the API; empty for none.')
param copilotClientId string

@description('Service or asset id from an inventory of the tenant; empty for none.')
param serviceManagementReference string

@description('Lets other tenants install the apps.')
param forSeveralTenants bool

@description('Shown in the display names.')
param environmentName string

@description('Makes the unique names unique.')
param resourceToken string

var clientUniqueName = 'client-${resourceToken}'
var mcpUniqueName = 'mcp-${resourceToken}'
var apiUniqueName = 'api-${resourceToken}'
var ordersUniqueName = 'orders-${resourceToken}' // <orders/>

// Known before the app exists, unlike api://{client id}; the tenant id keeps it within Entra's rules for such names.
var apiUri = 'api://${tenant().tenantId}/${apiUniqueName}'
var ordersUri = 'api://${tenant().tenantId}/${ordersUniqueName}' // <orders/>

var apiScopes = [
  {
    id: guid(apiUniqueName, 'access_as_user')
    value: 'access_as_user'
    type: 'User'
    isEnabled: true
    adminConsentDisplayName: 'Call the API as the signed-in user'
    adminConsentDescription: 'Lets the app call the API, and what the API calls in turn, on behalf of the signed-in user.'
    userConsentDisplayName: 'Call the API as you'
    userConsentDescription: 'Lets the app call the API, and what the API calls in turn, on your behalf.'
  }
]

// <orders>
var ordersScopes = [
  {
    id: guid(ordersUniqueName, 'Orders.Read')
    value: 'Orders.Read'
    type: 'User'
    isEnabled: true
    adminConsentDisplayName: 'Read orders as the signed-in user'
    adminConsentDescription: 'Lets the app read the orders that the signed-in user may read.'
    userConsentDisplayName: 'Read your orders'
    userConsentDescription: 'Lets the app read the orders that you may read.'
  }
  {
    id: guid(ordersUniqueName, 'Orders.Write')
    value: 'Orders.Write'
    type: 'User'
    isEnabled: true
    adminConsentDisplayName: 'Place and change orders as the signed-in user'
    adminConsentDescription: 'Lets the app place and change orders where the signed-in user may do so.'
    userConsentDisplayName: 'Place and change your orders'
    userConsentDescription: 'Lets the app place and change orders where you may do so.'
  }
]

// </orders>
// What applications may do as themselves. For applications alone: a user must not get a role of the same value.
var apiAppRoles = [
  {
    id: guid(apiUniqueName, 'Jobs.Run')
    value: 'Jobs.Run'
    displayName: 'Run jobs'
    description: 'Lets the application run jobs, without a user.'
    isEnabled: true
    allowedMemberTypes: ['Application']
  }
]

var graphAppId = '00000003-0000-0000-c000-000000000000'

// What the API may ask of Microsoft Graph. The ids are the same in every tenant (Graph permissions reference).
var graphScopes = [
  {
    id: 'e1fe6dd8-ba31-4d61-89e7-88639da4683d'
    value: 'User.Read'
  }
]

var apiScopeIds = [for scope in apiScopes: scope.id]
var ordersScopeIds = [for scope in ordersScopes: scope.id] // <orders/>
var ordersScopeValues = [for scope in ordersScopes: scope.value] // <orders/>
var ordersScopeUris = [for scope in ordersScopes: '${ordersUri}/${scope.value}'] // <orders/>
var graphScopeValues = [for scope in graphScopes: scope.value]

// MCP clients name the address of the API as the resource of a token. Entra compares it with the identifier URIs, and
// takes the scopes from the same one (AADSTS9010010). So the address, the URI and the scopes are one string.
var identifierUris = concat([apiUri], publicUrls)

// Copilot signs users in with its own client id. Its consent page comes back to an address that the API registers.
var preAuthorizedCopilot = empty(copilotClientId)
  ? []
  : [
      {
        appId: copilotClientId
        delegatedPermissionIds: apiScopeIds
      }
    ]
var copilotRedirect = empty(copilotClientId)
  ? null
  : {
      redirectUris: ['https://teams.microsoft.com/api/platform/v1.0/oAuthConsentRedirect']
    }

// Programs on the machine of the user. The port is theirs to choose: Entra ignores it.
var loopbackRedirectUris = ['http://localhost', 'http://localhost/callback', 'http://127.0.0.1']

var preAuthorizedDeveloperTools = [
  for clientId in developerToolClientIds: {
    appId: clientId
    delegatedPermissionIds: apiScopeIds
  }
]

var accessTokenClaims = [
  // Without this claim, an app-only token differs from a user's only by missing claims.
  {
    name: 'idtyp'
    additionalProperties: ['include_user_token']
  }
  // The authentication contexts that the user has satisfied. The user need not sign in again for them.
  {
    name: 'acrs'
  }
  // Whether the user is a guest, for AzureAd__AllowGuests.
  {
    name: 'acct'
  }
  // Whether an agent calls for the user, and whether the user is the account of an agent, for AzureAd__AllowAgentUsers.
  // https://learn.microsoft.com/entra/agent-id/agent-token-claims
  {
    name: 'xms_act_fct'
  }
  {
    name: 'xms_sub_fct'
  }
  {
    name: 'xms_par_app_azp'
  }
]

// Entra's own id for an assignment to an app as such, and to none of its roles.
var noRole = '00000000-0000-0000-0000-000000000000'

// Left out when it is not asked for, so that a requirement set by an administrator remains.
var assignmentRequired = requireAssignment ? true : null

// Owners are added. Owners who are not in the list remain.
var owners = empty(ownerIds)
  ? null
  : {
      relationships: ownerIds
    }

var signInAudience = forSeveralTenants ? 'AzureADMultipleOrgs' : 'AzureADMyOrg'

var managementReference = empty(serviceManagementReference) ? null : serviceManagementReference

// No lambda touches a Graph resource: that compiles and then fails at deployment (Azure/bicep#18046).

// <orders>
resource ordersApp 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: ordersUniqueName
  displayName: 'Orders (${environmentName})'
  owners: owners
  serviceManagementReference: managementReference
  signInAudience: signInAudience
  identifierUris: [ordersUri]
  api: {
    requestedAccessTokenVersion: 2
    oauth2PermissionScopes: ordersScopes
  }
  appRoles: [
    {
      id: guid(ordersUniqueName, 'Orders.Manager')
      value: 'Orders.Manager'
      displayName: 'Orders manager'
      description: 'May see and change the orders of others.'
      isEnabled: true
      allowedMemberTypes: ['User']
    }
  ]
  optionalClaims: {
    accessToken: accessTokenClaims
  }
}

// </orders>
resource apiApp 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: apiUniqueName
  displayName: 'API (${environmentName})'
  owners: owners
  serviceManagementReference: managementReference
  signInAudience: signInAudience
  identifierUris: identifierUris
  web: copilotRedirect
  api: {
    requestedAccessTokenVersion: 2
    oauth2PermissionScopes: apiScopes
  }
  appRoles: apiAppRoles
  requiredResourceAccess: [
    {
      resourceAppId: graphAppId
      resourceAccess: [
        for scope in graphScopes: {
          id: scope.id
          type: 'Scope'
        }
      ]
    }
    // <orders>
    {
      resourceAppId: ordersApp.appId
      resourceAccess: [
        for scope in ordersScopes: {
          id: scope.id
          type: 'Scope'
        }
      ]
    }
    // </orders>
  ]
  // No dates: Entra takes them from the certificate and refuses any that lie outside it.
  keyCredentials: [
    for certificate in apiCertificates: {
      displayName: 'Certificate ${certificate.version}'
      type: 'AsymmetricX509Cert'
      usage: 'Verify'
      key: certificate.der
    }
  ]
  optionalClaims: {
    accessToken: accessTokenClaims
  }
}

resource clientApp 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: clientUniqueName
  displayName: 'Client (${environmentName})'
  owners: owners
  serviceManagementReference: managementReference
  signInAudience: signInAudience
  // Signs a user in where there is no browser as well (device code).
  isFallbackPublicClient: true
  publicClient: {
    redirectUris: ['http://localhost']
  }
  spa: {
    redirectUris: browserOrigins
  }
  requiredResourceAccess: [
    {
      resourceAppId: apiApp.appId
      resourceAccess: [
        for scope in apiScopes: {
          id: scope.id
          type: 'Scope'
        }
      ]
    }
  ]
}

// MCP clients that bring no registration of their own, such as Claude Code. Entra registers no client on demand. It is
// another app than the client, so that its tokens can be told apart. It cannot sign in with a device code.
resource mcpApp 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: mcpUniqueName
  displayName: 'MCP client (${environmentName})'
  owners: owners
  serviceManagementReference: managementReference
  signInAudience: signInAudience
  publicClient: {
    redirectUris: concat(loopbackRedirectUris, mcpRedirectUris)
  }
  requiredResourceAccess: [
    {
      resourceAppId: apiApp.appId
      resourceAccess: [
        for scope in apiScopes: {
          id: scope.id
          type: 'Scope'
        }
      ]
    }
  ]
}

// The APIs again, under the same unique names, now that their callers have client ids. Properties that are not
// declared remain as they were. `api` is repeated whole, because this is not documented for its parts.

resource apiCallers 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: apiUniqueName
  displayName: apiApp.displayName
  serviceManagementReference: managementReference
  api: {
    requestedAccessTokenVersion: 2
    oauth2PermissionScopes: apiScopes
    // Lets one prompt of a client ask for what the API needs as well (`.default` of the API).
    knownClientApplications: [clientApp.appId, mcpApp.appId]
    preAuthorizedApplications: concat(
      [
        {
          appId: clientApp.appId
          delegatedPermissionIds: apiScopeIds
        }
        {
          appId: mcpApp.appId
          delegatedPermissionIds: apiScopeIds
        }
      ],
      preAuthorizedCopilot,
      preAuthorizedDeveloperTools
    )
  }
}

// <orders>
resource ordersCallers 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: ordersUniqueName
  displayName: ordersApp.displayName
  serviceManagementReference: managementReference
  api: {
    requestedAccessTokenVersion: 2
    oauth2PermissionScopes: ordersScopes
    preAuthorizedApplications: [
      {
        appId: apiApp.appId
        delegatedPermissionIds: ordersScopeIds
      }
    ]
  }
}

// </orders>
// The name must come from a symbol: a plain string would not make this wait. From the second declaration, because Entra
// may refuse two changes of one app at a time.
resource apiFederatedCredential 'Microsoft.Graph/applications/federatedIdentityCredentials@v1.0' = if (apiIdentityVouches) {
  name: '${apiCallers.uniqueName}/api-identity'
  description: 'The managed identity is the credential of the API.'
  issuer: apiIdentityIssuer
  subject: apiIdentityPrincipalId
  audiences: [apiIdentityAudience]
}

// A service principal represents the app in this tenant. Without one nobody can sign in to it or consent to it.

// <orders>
resource ordersServicePrincipal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: ordersApp.appId
  owners: owners
  appRoleAssignmentRequired: assignmentRequired
}

// </orders>
resource apiServicePrincipal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: apiApp.appId
  owners: owners
  appRoleAssignmentRequired: assignmentRequired
}

// No assignment is required for the clients, because they have no data and the API checks each user.
resource clientServicePrincipal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: clientApp.appId
  owners: owners
}

resource mcpServicePrincipal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: mcpApp.appId
  owners: owners
}

resource apiAssignments 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [
  for principalId in assignedPrincipalIds: {
    resourceId: apiServicePrincipal.id
    principalId: principalId
    appRoleId: noRole
  }
]

// <orders>
// To Orders as well, because the API asks for tokens for it in the name of the same user.
resource ordersAssignments 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [
  for principalId in assignedPrincipalIds: {
    resourceId: ordersServicePrincipal.id
    principalId: principalId
    appRoleId: noRole
  }
]

// </orders>
// A role for an application is given to its service principal. An administrator gives it, as a kind of consent.
resource jobAssignments 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [
  for principalId in jobPrincipalIds: {
    resourceId: apiServicePrincipal.id
    principalId: principalId
    appRoleId: apiAppRoles[0].id
  }
]

resource graphServicePrincipal 'Microsoft.Graph/servicePrincipals@v1.0' existing = if (grantAdminConsent) {
  appId: graphAppId
}

resource graphConsent 'Microsoft.Graph/oauth2PermissionGrants@v1.0' = if (grantAdminConsent) {
  clientId: apiServicePrincipal.id
  resourceId: graphServicePrincipal!.id
  consentType: 'AllPrincipals'
  scope: join(graphScopeValues, ' ')
}

// <orders>
// Pre-authorization is enough for the API. The grant shows it to administrators.
resource ordersConsent 'Microsoft.Graph/oauth2PermissionGrants@v1.0' = if (grantAdminConsent) {
  clientId: apiServicePrincipal.id
  resourceId: ordersServicePrincipal.id
  consentType: 'AllPrincipals'
  scope: join(ordersScopeValues, ' ')
}

// </orders>
@description('The client id of the API.')
output apiClientId string = apiApp.appId
@description('What a client asks for to call the API.')
output apiScope string = '${apiUri}/${apiScopes[0].value}'
@description('The client id of the client.')
output clientClientId string = clientApp.appId
@description('The client id of the MCP client.')
output mcpClientId string = mcpApp.appId
// <orders>
@description('The client id of Orders.')
output ordersClientId string = ordersApp.appId
@description('What the API asks for to call Orders: all of its scopes, separated by spaces.')
output ordersScopes string = join(ordersScopeUris, ' ')
// </orders>

@description('The object ids of the registrations, separated by spaces. The hook postdown.py deletes them.')
output objectIds string = join(
  [
    clientApp.id
    mcpApp.id
    apiApp.id
    ordersApp.id // <orders/>
  ],
  ' '
)
