"""Each mistake is found: it is made in a copy of infra/, and the compiler or a rule must report it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.infra.project import PARAMETERS as SETS
from tests.infra.project import Project
from tests.infra.rules import GROUPS, problems

COMPILER = "compiler"
MAIN, VAULT, APP = "infra/main.bicep", "infra/key-vault.bicep", "infra/function-app.bicep"
CERTIFICATE, ENTRA = "infra/client-certificate.bicep", "infra/app-registrations.bicep"
MONITORING, IDENTITY = "infra/monitoring.bicep", "infra/identity.bicep"
PARAMETERS, LINTER, SCRIPT = "infra/main.parameters.json", "infra/bicepconfig.json", "infra/ensure-certificate.sh"
CACHE, OPERATIONS = "infra/token-cache.bicep", "infra/operations.bicep"
NETWORK, ENDPOINT, READER = "infra/network.bicep", "infra/private-endpoint.bicep", "infra/vault-reader.bicep"
CLOUDS, HOOK_OPTIONS = "infra/clouds.json", "infra/hooks/options.py"
AZURE, SECURITY, DEPLOY = "azure.yaml", "docs/security.md", "docs/deploy.md"

ANOTHER_ROLE = """
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
resource secondRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, scriptIdentity.id, secretsUser)
  scope: vault
  properties: {
    principalId: scriptIdentity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
  }
}

resource officerRole """


class Break(NamedTuple):
    """In `path`, `old` becomes `new`; then the compiler or the rules of a group say something with `words` in it."""

    path: str
    old: str
    new: str
    found_by: str
    words: str
    parameters: str = ""
    """The one parameter set in which it shows, to save time; empty: any."""


BREAKS = {
    "other tenants may install the apps of one": Break(
        ENTRA,
        "? 'AzureADMultipleOrgs' : 'AzureADMyOrg'",
        "? 'AzureADMyOrg' : 'AzureADMultipleOrgs'",
        "options",
        "AzureADMyOrg",
    ),
    "personal accounts": Break(
        ENTRA,
        "'AzureADMultipleOrgs'",
        "'AzureADandPersonalMicrosoftAccount'",
        "options",
        "must be AzureADMultipleOrgs",
        "several-tenants",
    ),
    "the own tenant is not in the list": Break(
        MAIN,
        "union([tenant().tenantId], allowedTenants)",
        "allowedTenants",
        "options",
        "AzureAd__AllowedTenants",
        "several-tenants",
    ),
    "several tenants without a list": Break(
        MAIN,
        "AzureAd__AllowedTenants: contains",
        "AzureAd__AllowedTenant: contains",
        "settings",
        "AllowedTenants",
        "several-tenants",
    ),
    "keys of Redis": Break(
        CACHE, "accessKeysAuthentication: 'Disabled'", "accessKeysAuthentication: 'Enabled'", "hardening", "accessKeys"
    ),
    "Redis without TLS": Break(
        CACHE, "clientProtocol: 'Encrypted'", "clientProtocol: 'Plaintext'", "hardening", "clientProtocol"
    ),
    "old TLS of Redis": Break(CACHE, "minimumTlsVersion: '1.2'", "minimumTlsVersion: '1.0'", "hardening", "'1.2'"),
    "misspelled property of Redis": Break(
        CACHE, "clusteringPolicy:", "clusterPolicy:", "compiler", '"clusterPolicy" is not allowed'
    ),
    "a policy Redis does not know": Break(
        CACHE, "'VolatileLRU'", "'volatile-lru'", "hardening", "evictionPolicy must be 'VolatileLRU'"
    ),
    "a name that Redis refuses": Break(
        CACHE, "uniqueString(writer.id)", "guid(writer.id)", "names", "breaks Azure's rule"
    ),
    "somebody else may write to Redis": Break(
        MAIN,
        "writerIdentityName: apiIdentityName",
        "writerIdentityName: ordersIdentityName",
        "roles",
        "id-orders is access policy default",
    ),
    "Redis as an identity the API does not have": Break(
        MAIN,
        "TokenCache__Redis__ManagedIdentityClientId: apiIdentity",
        "TokenCache__Redis__ManagedIdentityClientId: ordersIdentity",
        "settings",
        "TokenCache__Redis__ManagedIdentityClientId is no",
    ),
    "Redis deployed and not used": Break(
        MAIN,
        "union(clientCredentialSettings, tokenCacheSettings, tenantSettings, agentSettings, {",
        "union(clientCredentialSettings, empty(tokenCacheSettings) ? {} : {}, tenantSettings, agentSettings, {",
        "settings",
        "Redis__Url",
    ),
    "Redis without TLS in the setting": Break(MAIN, "'rediss://", "'redis://", "settings", "TokenCache__Redis__Url"),
    "access to Redis not documented": Break(
        SECURITY,
        "access policy `default`",
        "access policy `owner`",
        "documents",
        "does not say: id-api is access policy",
    ),
    "wrong type of a parameter": Break(
        MAIN,
        "param maximumInstanceCount int = 100",
        "param maximumInstanceCount string = '100'",
        "compiler",
        '"maximumInstanceCount" expected a value of type "int"',
    ),
    "wrong value of an enumeration": Break(
        APP, "type: 'UserAssigned'\n", "type: 'Assigned'\n", "compiler", "provided value is of type \"'Assigned'\""
    ),
    "parameter of a module missing": Break(
        MAIN,
        "    applicationInsightsName: applicationInsightsName\n",
        "",
        "compiler",
        'missing the following required properties: "applicationInsightsName"',
    ),
    "unused parameter of main": Break(
        MAIN,
        "targetScope = 'subscription'\n",
        "targetScope = 'subscription'\n\nparam more string = ''\n",
        "compiler",
        'no-unused-params: Parameter "more"',
    ),
    "misspelled property of monitoring": Break(
        MONITORING, "retentionInDays:", "retentionInDay:", "compiler", '"retentionInDay" is not allowed'
    ),
    "name through the output of a module": Break(
        MAIN,
        "    workspaceName: 'log-${resourceToken}'",
        "    workspaceName: 'log-${apiIdentity.outputs.clientId}'",
        "compiler",
        "what-if-short-circuiting",
    ),
    "name that only the deployment knows": Break(
        VAULT, "guid(vault.id, reader.id, ", "guid(vault.id, reader.properties.principalId, ", "compiler", "BCP120"
    ),
    "misspelled property": Break(
        VAULT, "enableSoftDelete:", "enableSoftDelette:", "compiler", '"enableSoftDelette" is not allowed'
    ),
    "misspelled property, deep": Break(
        APP, "perInstanceConcurrency:", "perInstanceConcurency:", "compiler", '"perInstanceConcurency" is not allowed'
    ),
    "misspelled property in a variable": Break(
        ENTRA, "isEnabled: true", "enabled: true", "compiler", '"enabled" from source declaration "apiScopes"'
    ),
    "misspelled property of Graph": Break(
        ENTRA,
        "identifierUris: identifierUris",
        "identifierUri: identifierUris",
        "compiler",
        '"identifierUri" is not allowed',
    ),
    "misspelled property in one branch": Break(APP, "instanceCount:", "count:", "compiler", '"count" is not allowed'),
    "property at the wrong level": Break(
        VAULT,
        "  tags: tags\n  properties: {",
        "  properties: {\n    tags: tags",
        "compiler",
        '"tags" is not allowed on objects of type "VaultProperties"',
    ),
    "unknown type": Break(VAULT, "KeyVault/vaults@", "KeyVault/vault@", "compiler", '"Microsoft.KeyVault/vault@'),
    "unknown version": Break(
        APP,
        "Web/sites@2025-03-01",
        "Web/sites@2025-03-31",
        "compiler",
        '"Microsoft.Web/sites@2025-03-31" does not have types',
    ),
    "value not on a closed list": Break(
        VAULT, "name: 'standard'", "name: 'basic'", "compiler", "'premium' | 'standard'"
    ),
    "value not on an open list": Break(
        APP, "type: 'blobContainer'", "type: 'blobcontainer'", "flex", "cannot be 'blobcontainer'"
    ),
    "wrong kind of value": Break(
        MONITORING,
        "retentionInDays: 30",
        "retentionInDays: '30'",
        "compiler",
        '"retentionInDays" expected a value of type "int | null"',
    ),
    "read-only property": Break(
        APP, "    reserved: true", "    reserved: true\n    status: 'Ready'", "compiler", '"status" is read-only'
    ),
    "required property missing": Break(
        VAULT, "      family: 'A'\n", "", "compiler", 'missing the following required properties: "family"'
    ),
    "extension forgotten": Break(ENTRA, "extension microsoftGraphV1\n", "", "compiler", "BCP029"),
    "value out of bounds": Break(
        MAIN, "'kv-${resourceToken}'", "'key-vault-of-${resourceToken}'", "names", "key-vault-of"
    ),
    "name Azure refuses": Break(APP, "'st${serviceName}${resourceToken}'", "'st-${resourceToken}'", "names", "'st-"),
    "syntax error": Break(
        VAULT, "properties: {", "properties: (", "compiler", "Parentheses must contain exactly one expression"
    ),
    "unknown name": Break(
        VAULT, "workspaceId: auditWorkspaceId", "workspaceId: workspaceId", "compiler", "workspaceId"
    ),
    "unknown property read": Break(
        VAULT, "vault.properties.vaultUri", "vault.properties.uri", "compiler", 'does not contain property "uri"'
    ),
    "unknown output read": Break(
        MAIN, "orders.outputs.baseUrl", "orders.outputs.url", "compiler", 'does not contain property "url"'
    ),
    "unknown function": Break(VAULT, "guid(vault.id", "newguid(vault.id", "compiler", '"newguid" does not exist'),
    "declared twice": Break(
        VAULT,
        "param name string",
        "param name string\nparam name string",
        "compiler",
        '"name" is declared multiple times',
    ),
    "conditional, read as if it were not": Break(
        MAIN, "keyVault!.outputs.uri", "keyVault.outputs.uri", "compiler", "BCP318"
    ),
    "loop over what is not known": Break(
        ENTRA, "[for scope in apiScopes: scope.id]", "[for scope in apiApp.api: scope.id]", "compiler", "BCP178"
    ),
    "not deployed, yet read": Break(
        MAIN,
        "apiCertificates: makeCertificate\n",
        "apiCertificates: makeCertificate || !useCertificate\n",
        "credential",
        "has a certificate with managedIdentity",
    ),
    "identity that is not waited for": Break(
        MAIN, "[ordersIdentity, network]", "[network]", "wiring", "module orders looks up what ordersIdentity makes"
    ),
    "federated credential of another": Break(
        ENTRA,
        "subject: apiIdentityPrincipalId",
        "subject: 'of-${apiIdentityPrincipalId}'",
        "credential",
        "its subject is no identity of the API's site",
    ),
    "age of API versions in the shipped configuration": Break(
        LINTER,
        '"use-safe-access"',
        '"use-recent-api-versions": { "level": "error" },\n        "use-safe-access"',
        "configuration",
        "is on",
    ),
    "output never consumed": Break(
        IDENTITY,
        "@description('The client id,",
        "@description('The tenant.')\noutput tenantId string = tenant().tenantId\n\n@description('The client id,",
        "wiring",
        "not consumed",
    ),
    "parameter not used": Break(
        VAULT,
        "param name string",
        "param more string\nparam name string",
        "compiler",
        'no-unused-params: Parameter "more"',
    ),
    "variable not used": Break(
        MAIN, "var tags = {", "var more = 1\nvar tags = {", "compiler", 'no-unused-vars: Variable "more"'
    ),
    "parameter not described": Break(
        VAULT, "@description('The region.')\n", "", "wiring", "location has no @description"
    ),
    "parameter not passed": Break(
        MAIN,
        "    corsOrigins: browserOrigins\n",
        "",
        "compiler",
        'missing the following required properties: "corsOrigins"',
    ),
    "unknown parameter passed": Break(
        MAIN, "    corsOrigins: []", "    cors: []", "compiler", '"cors" is not allowed on objects of type "params"'
    ),
    "wrong kind passed": Break(
        MAIN,
        "instanceMemoryMB: 512",
        "instanceMemoryMB: '512'",
        "compiler",
        '"instanceMemoryMB" expected a value of type',
    ),
    "value that is not allowed": Break(
        MAIN, "instanceMemoryMB: 512", "instanceMemoryMB: 1024", "compiler", 'provided value is of type "1024"'
    ),
    "default that is not allowed": Break(
        MAIN, "string = '3.13'", "string = '3.9'", "compiler", "provided value is of type \"'3.9'\""
    ),
    "default in a module": Break(
        VAULT, "param purgeProtection bool", "param purgeProtection bool = true", "wiring", "main.bicep"
    ),
    "module without its file": Break(MAIN, "'monitoring.bicep'", "'monitor.bicep'", "compiler", "infra/monitor.bicep"),
    "no reason given": Break(VAULT, "// Reason:", "// Because:", "wiring", "do not tell the reason"),
    "parameter azd does not know": Break(
        PARAMETERS, '"browserOrigins"', '"origins"', "wiring", "browserOrigins of main.bic"
    ),
    "parameter Bicep does not know": Break(
        PARAMETERS, '"browserOrigins"', '"origins"', "wiring", "no parameter origins"
    ),
    "variable used twice": Break(PARAMETERS, "${BROWSER_ORIGINS}", "${AZURE_LOCATION}", "wiring", "is used 2 times"),
    "variable taken": Break(
        PARAMETERS, "${FUNCTIONS_PYTHON_VERSION}", "${PYTHON_VERSION}", "wiring", "set for other ends"
    ),
    "second default": Break(
        PARAMETERS, "${BROWSER_ORIGINS}", "${BROWSER_ORIGINS=[]}", "wiring", "defaults live in main"
    ),
    "variable not documented": Break(
        DEPLOY, "CERT_ROTATION_TAG", "CERT_TAG", "wiring", "does not explain `CERT_ROTATION"
    ),
    "rule not at error": Break(LINTER, '"level": "error"', '"level": "warning"', "configuration", "is not at error"),
    "Graph types not pinned": Break(LINTER, "v1.0:1.0.0", "v1.0:1.1.0-preview", "configuration", "Graph types must be"),
    "permission for the laptop alone": Break(
        ENTRA, "value: 'User.Read'", "value: 'User.Raed'", "laptop", "'User.Read' is in permissions of local-stack.toml"
    ),
    "scope for Azure alone": Break(
        ENTRA, "    value: 'access_as_user'", "    value: 'access'", "laptop", "'access' is in apiScopes of infra/"
    ),
    "unknown app setting": Break(
        MAIN, "AzureAd__Scopes: 'Orders", "AzureAd__Scope: 'Orders", "settings", "AzureAd__Scope:"
    ),
    "setting nothing reads": Break(
        APP, "AzureWebJobsStorage__credential:", "LOG_LEVEL:", "settings", "nothing reads LOG_LEV"
    ),
    "setting missing": Break(APP, "AzureWebJobsStorage__clientId:", "LOG_LEVEL:", "settings", "__clientId is missing"),
    "setting of the code missing": Break(
        MAIN, "AzureAd__TenantId: tenant().tenantId\n", "", "settings", "AzureAd__TenantId"
    ),
    "API not configured": Break(
        MAIN,
        "      DownstreamApis__Orders__BaseUrl: '${orders.outputs.baseUrl}/api' // <orders/>\n"
        "      DownstreamApis__Orders__Scopes: registered.ordersScopes // <orders/>\n",
        "",
        "settings",
        "the code calls the API Orders",
    ),
    "API half configured": Break(
        MAIN, "DownstreamApis__Graph__S", "DownstreamApis__Grap__S", "settings", "Graph__Scopes: is missing"
    ),
    "scope nobody exposes": Break(
        MAIN, "AzureAd__Scopes: 'Orders.Read'", "AzureAd__Scopes: 'Order.Read'", "settings", "exposes no"
    ),
    "setting of azure-identity": Break(
        APP, "AzureWebJobsStorage__clientId:", "AZURE_CLIENT_ID:", "settings", "azure-identity's"
    ),
    "missing entry point": Break(
        MAIN, "'downstream_app.py'", "'orders_app.py'", "settings", "there is no orders_app.py"
    ),
    "credential of another": Break(
        MAIN,
        "ManagedIdentityClientId: apiIdentity.outputs.clientId",
        "ManagedIdentityClientId: ordersIdentity.outputs.clientId",
        "settings",
        "is no identity of the site",
    ),
    "threads left to chance": Break(
        APP,
        "      PYTHON_THREADPOOL_THREAD_COUNT: string(httpConcurrency)\n",
        "",
        "flex",
        "PYTHON_THREADPOOL_THREAD_COUNT is None",
    ),
    "fewer threads than requests": Break(
        APP, "string(httpConcurrency)", "'16'", "flex", "is 16 and perInstanceConcurrency 100"
    ),
    "forbidden Flex setting": Break(
        APP,
        "AzureWebJobsStorage__credential:",
        "FUNCTIONS_WORKER_RUNTIME: 'python'\n      AzureWebJobsStorage__credential:",
        "flex",
        "FUNCTIONS_WORKER_RUNTIME",
    ),
    "forbidden site setting": Break(
        APP, "http20Enabled: true", "alwaysOn: true", "flex", "refuses siteConfig.alwaysOn"
    ),
    "no concurrency": Break(
        APP, "perInstanceConcurrency: httpConcurrency\n", "", "flex", "perInstanceConcurrency is missing"
    ),
    "no runtime": Break(
        APP, "version: pythonVersion\n", "", "compiler", 'Parameter "pythonVersion" is declared but never used'
    ),
    "another plan": Break(APP, "name: 'FC1'", "name: 'Y1'", "flex", "no Flex Consumption plan"),
    "vault role for the downstream API": Break(
        MAIN,
        "readerIdentityName: apiIdentityName",
        "readerIdentityName: ordersIdentityName",
        "roles",
        "not in the design: id-orders is Key",
    ),
    "one role too many": Break(
        CERTIFICATE, "\nresource officerRole ", ANOTHER_ROLE, "roles", "id-certificate is Key Vault Secrets"
    ),
    "role missing": Break(
        MAIN,
        "      apiIdentityName\n      ordersIdentityName // <orders/>\n",
        "      apiIdentityName\n",
        "roles",
        "not in the Bicep: id-orders is Mon",
    ),
    "role of another id": Break(VAULT, "4633458b-17de", "4633458c-17de", "roles", "the unknown role"),
    "stronger role": Break(
        VAULT,
        "4633458b-17de-408a-b874-0445c86b69e6",
        "a4417e6f-fecd-4de8-b567-7b0420556985",
        "roles",
        "keyVaultSecretsUser holds",
    ),
    "missing principalType": Break(
        VAULT, "    principalType: 'ServicePrincipal'\n", "", "roles", "has no principalType"
    ),
    "wrong principalType": Break(VAULT, "'ServicePrincipal'", "'User'", "roles", "no managed identity has"),
    "role without scope": Break(
        VAULT,
        "  scope: vault\n  properties: {\n    principalId",
        "  properties: {\n    principalId",
        "roles",
        "no scope",
    ),
    "name without principal": Break(VAULT, "guid(vault.id, reader.id, ", "guid(vault.id, ", "roles", "does not cover"),
    "name without scope": Break(VAULT, "guid(vault.id, ", "guid(", "roles", "does not cover"),
    "name without role": Break(APP, ", storageBlobDataOwner)\n  scope", ")\n  scope", "roles", "does not cover"),
    "right not documented": Break(
        SECURITY, "| `id-orders` | Storage", "| `id-order` | Storage", "documents", "security.md does not say"
    ),
    "right that is none": Break(
        SECURITY, "| `id-orders` | Storage", "| `id-order` | Storage", "documents", "what the Bicep does not"
    ),
    "right documented in the wrong place": Break(
        SECURITY, "`writerPolicy`", "`writer`", "documents", "no right is granted by writer in infra/token-cache.bicep"
    ),
    "permission not documented": Break(
        ENTRA, "    value: 'Orders.Write'", "    value: 'Orders.Delete'", "documents", "Orders.Delete"
    ),
    "storage keys": Break(
        APP, "allowSharedKeyAccess: false", "allowSharedKeyAccess: true", "hardening", "allowSharedKeyAccess"
    ),
    "instrumentation key": Break(
        MONITORING, "DisableLocalAuth: true", "DisableLocalAuth: false", "hardening", "DisableLocalAuth"
    ),
    "vault by policies": Break(
        VAULT, "enableRbacAuthorization: true", "enableRbacAuthorization: false", "hardening", "Rbac"
    ),
    "purge protection false": Break(
        VAULT, "purgeProtection ? true : null", "purgeProtection", "hardening", "enablePurgeProt", "certificate"
    ),
    "old TLS": Break(APP, "minTlsVersion: '1.2'", "minTlsVersion: '1.0'", "hardening", "minTlsVersion must be"),
    "old TLS of storage": Break(APP, "'TLS1_2'", "'TLS1_0'", "hardening", "minimumTlsVersion must be"),
    "CORS for everybody": Break(
        MAIN, "corsOrigins: []", "corsOrigins: ['*']", "hardening", "lets ['*'] in through CORS"
    ),
    "CORS by default": Break(
        MAIN,
        "param browserOrigins string[] = []",
        "param browserOrigins string[] = ['https://a.example']",
        "hardening",
        "a.example",
    ),
    "secret in an output": Break(
        MAIN,
        "output API_BASE_URL string = api.outputs.baseUrl",
        "output API_BASE_URL string = monitoring.outputs.connectionString",
        "hardening",
        "looks like a secret",
    ),
    "address of the API without its prefix": Break(
        MAIN,
        "output API_BASE_URL string = api.outputs.baseUrl",
        "output API_BASE_URL string = '${api.outputs.baseUrl}/api'",
        "hardening",
        "API_BASE_URL must end in '', the route prefix of host.json",
    ),
    "key in an output": Break(
        APP,
        "string = site.name",
        "string = storage.listKeys().keys[0].value",
        "compiler",
        "outputs-should-not-contain-secrets",
    ),
    "output in camelCase": Break(MAIN, "output API_SCOPE", "output apiScope", "hardening", "SCREAMING_CASE"),
    "output the client needs": Break(MAIN, "output TENANT_ID", "output AZURE_TENANT_ID", "hardening", "TENANT_ID"),
    "misspelled hook": Break(AZURE, "postdown:", "postDown:", "azure_yaml", "postDown"),
    "misspelled property of a service": Break(AZURE, "remoteBuild:", "remotebuild:", "azure_yaml", "remotebuild"),
    "misspelled property of azd": Break(
        AZURE, "requiredVersions:", "requiredVersion:", "azure_yaml", "azd knows no requiredVersion"
    ),
    "hook without its file": Break(
        AZURE, "hooks/postdown.py", "hooks/post_down.py", "azure_yaml", "hooks.postdown: there is no"
    ),
    "another host": Break(AZURE, "host: function", "host: appservice", "azure_yaml", "services.api"),
    "service the Bicep does not tag": Break(AZURE, "  orders: #", "  order: #", "azure_yaml", "the Bicep tags"),
    "variable the script does not get": Break(
        CERTIFICATE, "'ROTATION_TAG'", "'TAG'", "certificate_script", "reads ROTATION_TAG"
    ),
    "variable the script does not read": Break(
        SCRIPT, "$VALIDITY_MONTHS", "12", "certificate_script", "does not read VALIDITY"
    ),
    "another script": Break(
        CERTIFICATE, "loadTextContent('ensure-", "loadTextContent('make-", "compiler", "make-certificate.sh"
    ),
    # A private network.
    "storage open beside its endpoint": Break(
        APP,
        "publicNetworkAccess: network == null ? 'Enabled' : 'Disabled'",
        "publicNetworkAccess: empty(network) ? 'Enabled' : 'Enabled'",
        "network",
        "publicNetworkAccess must be Disabled",
        "cloud-china",
    ),
    "cache open beside its endpoint": Break(
        CACHE,
        "publicNetworkAccess: network == null ? 'Enabled' : 'Disabled'",
        "publicNetworkAccess: empty(network) ? 'Enabled' : 'Enabled'",
        "network",
        "redis-b5yrr757no2co: publicNetworkAccess must be Disabled",
        "private-network",
    ),
    "API closed": Break(
        APP,
        "publicNetworkAccess: network.?siteZone == null",
        "publicNetworkAccess: network == null",
        "network",
        "func-api-b5yrr757no2co: publicNetworkAccess must be Enabled",
        "private-network-existing-vault",
    ),
    "storage without a way in": Break(
        APP,
        "storageEndpoint 'private-endpoint.bicep' = if (network != null)",
        "storageEndpoint 'private-endpoint.bicep' = if (network != null && serviceName != 'api')",
        "network",
        "is closed and has no private endpoint for blob",
        "cloud-china",
    ),
    "endpoint to another part": Break(
        APP, "part: 'blob'", "part: 'queue'", "network", "no private endpoint for blob", "cloud-china"
    ),
    "vault without a way in": Break(
        MAIN,
        "if (useExistingVault && privateNetwork)",
        "if (useExistingVault && ordersPrivate)",
        "network",
        "kv-contoso is closed and has no private endpoint for vault",
        "private-network-existing-vault",
    ),
    "endpoint without its zone": Break(
        ENDPOINT,
        """      privateDnsZoneConfigs: [
        {
          name: part
          properties: {
            privateDnsZoneId: zone.id
          }
        }
      ]""",
        "      privateDnsZoneConfigs: empty(zone.id) ? [] : []",
        "network",
        "has no DNS zone",
        "cloud-china",
    ),
    "zone that is not deployed": Break(
        MAIN,
        "zoneNames: [blobZone, ...zonesOfOptions]",
        "zoneNames: zonesOfOptions",
        "network",
        "is not deployed",
        "cloud-china",
    ),
    "zone of the older product": Break(
        CLOUDS, "privatelink.redis.azure.net", "privatelink.redis.cache.windows.net", "clouds", "of the older product"
    ),
    "zone of another kind": Break(
        MAIN,
        "zoneName: cloudFacts.vaultZone",
        "zoneName: blobZone",
        "network",
        "vault is found in the zone privatelink.vaultcore.azure.net",
        "private-network-existing-vault",
    ),
    "zone without a link": Break(
        NETWORK,
        "  for (zoneName, index) in zoneNames: {\n    parent:",
        "  for (zoneName, index) in take(zoneNames, 1): {\n    parent:",
        "network",
        "has no link to the network",
        "cloud-china",
    ),
    "link to another network": Break(
        NETWORK, "id: network.id", "id: '${network.id}-other'", "network", "has no link to the network", "cloud-china"
    ),
    "subnet that is not delegated": Break(
        NETWORK,
        "'Microsoft.App/environments'",
        "'Microsoft.Web/serverFarms'",
        "network",
        "must be delegated to",
        "cloud-china",
    ),
    "subnet that is too small": Break(
        NETWORK, "var subnetSize = 26", "var subnetSize = 28", "network", "/27 or larger", "cloud-china"
    ),
    "subnet with an underscore": Break(
        MAIN, "      'orders' // <orders/>", "      'orders_'", "network", "no subnet", "cloud-china"
    ),
    "one subnet for two apps": Break(
        MAIN, "  subnet: 'orders'", "  subnet: 'api'", "network", "shares its subnet with another app", "cloud-china"
    ),
    "app in no subnet": Break(
        APP,
        "virtualNetworkSubnetId: network == null",
        "virtualNetworkSubnetId: network == null || serviceName == 'orders'",
        "network",
        "func-orders-b5yrr757no2co: calls out from no subnet",
        "private-network-existing-vault",
    ),
    "endpoint in the subnet of an app": Break(
        MAIN,
        "subnetName: endpointSubnet\n",
        "subnetName: 'api'\n",
        "network",
        "delegated to nobody",
        "private-network-existing-vault",
    ),
    "network nobody asked for": Break(
        MAIN,
        "module network 'network.bicep' = if (privateNetwork)",
        "module network 'network.bicep' = if (!empty(networkName))",
        "network",
        "nobody asked for a network",
    ),
    # Clouds.
    "login address of one cloud": Break(
        MAIN,
        "AzureAd__Instance: cloudFacts.loginEndpoint",
        "AzureAd__Instance: 'https://login.microsoftonline.us/'",
        "clouds",
        "names another cloud: https://login.microsoftonline.us/",
    ),
    "Graph of one cloud": Break(
        HOOK_OPTIONS,
        'AZURE_CLOUD = "AzureCloud"',
        'GRAPH = "https://graph.microsoft.com"',
        "clouds",
        "options.py: graph",
    ),
    "federation audience of one cloud": Break(
        MAIN,
        "TokenExchangeUrl: cloudFacts.tokenExchangeAudience",
        "TokenExchangeUrl: 'api://AzureADTokenExchange'",
        "clouds",
        "names another cloud: api://AzureADTokenExchange",
        "cloud-china",
    ),
    "cloud that is not looked up": Break(
        MAIN,
        "param cloud string = environment().name",
        "param cloud string = 'AzureCloud'",
        "clouds",
        "unless somebody",
    ),
    "fact that one cloud lacks": Break(
        CLOUDS, '"vaultSuffix": "vault.azure.cn"', '"vaultSufix": "vault.azure.cn"', "clouds", "is not in every row"
    ),
    "fact without a value": Break(
        CLOUDS, '"vaultSuffix": "vault.azure.cn"', '"vaultSuffix": ""', "clouds", "AzureChinaCloud has no vaultSuffix"
    ),
    # Registrations and certificates of somebody else, owners, callers.
    "registrations made beside those given": Break(
        MAIN,
        "module appRegistrations 'app-registrations.bicep' = if (!useExistingRegistrations)",
        "module appRegistrations 'app-registrations.bicep' = if (!empty(environmentName))",
        "options",
        "the registrations are somebody else's",
        "cloud-china",
    ),
    "registrations of others to be deleted": Break(
        MAIN,
        "output APP_REGISTRATION_OBJECT_IDS string = useExistingRegistrations ? ''",
        "output APP_REGISTRATION_OBJECT_IDS string = useExistingRegistrations ? existingApiClientId",
        "options",
        "is what `azd down` deletes",
        "cloud-china",
    ),
    "client id of the wrong app": Break(
        MAIN,
        "      ordersClientId: existingOrdersClientId",
        "      ordersClientId: existingApiClientId",
        "options",
        "orders: AzureAd__ClientId is not the one",
        "cloud-china",
    ),
    "subject that the identity team is not told": Break(
        MAIN,
        "output CREDENTIAL_SUBJECT string = useExistingRegistrations && !useCertificate",
        "output CREDENTIAL_SUBJECT string = useExistingRegistrations && useCertificate",
        "options",
        "CREDENTIAL_SUBJECT is for",
        "cloud-china",
    ),
    "vault made beside the one given": Break(
        MAIN,
        "= if (makeCertificate) {",
        "= if (useCertificate) {",
        "options",
        "in a vault that was given",
        "existing-vault",
    ),
    "key that may leave the vault": Break(
        MAIN, "exportable: !keyStaysInVault", "exportable: true", "credential", "EXPORTABLE is true with", "vault-key"
    ),
    "key that is read after all": Break(
        MAIN,
        "keyStaysInVault ? 'SignedAssertionFromVault' : 'KeyVault'",
        "'KeyVault'",
        "credential",
        "SourceType is KeyVault with vaultKey",
        "vault-key",
    ),
    "right to read a key that stays in the vault": Break(
        VAULT,
        "resource readerRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!keyStaysInVault) {",
        "resource readerRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {",
        "roles",
        "not in the design: id-api is Key Vault Secrets User on the vault",
        "vault-key",
    ),
    "right to sign with every key of a vault of others": Break(
        READER,
        "scope: vault::signingKey",
        "scope: vault",
        "roles",
        "not in the design: id-api is Key Vault Crypto User",
        "private-network-vault-key",
    ),
    "certificate of another name": Break(
        MAIN,
        "KeyVaultCertificateName: certificateName",
        "KeyVaultCertificateName: 'api-client'",
        "options",
        "KeyVaultCertificateName is not the name",
        "existing-vault",
    ),
    "role on the whole of a vault of others": Break(
        READER,
        "scope: vault::privateKey",
        "scope: vault",
        "roles",
        "not in the design: id-api is Key Vault Secrets User",
        "existing-vault",
    ),
    "role in a vault of others for somebody else": Break(
        MAIN,
        "readerIdentityName: apiIdentityName\n    readerSub",
        "readerIdentityName: ordersIdentityName\n    readerSub",
        "roles",
        "the secret of the certificate",
        "existing-vault",
    ),
    "assignment required of nobody": Break(
        ENTRA, "requireAssignment ? true : null", "requireAssignment ? null : null", "options", "must be true"
    ),
    "requirement of an administrator overruled": Break(
        ENTRA, "requireAssignment ? true : null", "requireAssignment", "options", "must be left out"
    ),
    "assigned to the API alone": Break(
        ENTRA,
        "resourceId: ordersServicePrincipal.id\n    principalId",
        "resourceId: apiServicePrincipal.id\n    principalId",
        "options",
        "and not to another",
    ),
    "the role for applications is for users too": Break(
        ENTRA,
        "allowedMemberTypes: ['Application']",
        "allowedMemberTypes: ['User', 'Application']",
        "options",
        "the role Jobs.Run must be for users or for applications, and not for both",
    ),
    "the role for applications is given to all that are assigned": Break(
        ENTRA,
        "  for principalId in jobPrincipalIds: {",
        "  for principalId in concat(jobPrincipalIds, assignedPrincipalIds): {",
        "options",
        "the role for applications must be given to jobPrincipalIds and to nobody else",
    ),
    "the role for applications is given to one alone": Break(
        ENTRA,
        "  for principalId in jobPrincipalIds: {",
        "  for principalId in take(jobPrincipalIds, 1): {",
        "options",
        "the role for applications must be given to jobPrincipalIds",
    ),
    "the role for applications is given on Orders": Break(
        ENTRA,
        "resourceId: apiServicePrincipal.id\n    principalId: principalId\n    appRoleId: apiAppRoles",
        "resourceId: ordersServicePrincipal.id\n    principalId: principalId\n    appRoleId: apiAppRoles",
        "options",
        "a role of the API is given on another app",
    ),
    "an address of the API is no identifier URI": Break(
        ENTRA,
        "concat([apiUri], publicUrls)",
        "concat([apiUri], take(publicUrls, 1))",
        "options",
        "they must be the same",
    ),
    "an identifier URI is spelled in another way": Break(
        MAIN,
        "    publicUrls: allPublicUrls\n",
        "    publicUrls: map(allPublicUrls, each => toUpper(each))\n",
        "options",
        "they must be the same",
    ),
    "an address of the API is not in the setting": Break(
        MAIN,
        "AzureAd__PublicUrls: join(allPublicUrls, ' ')",
        "AzureAd__PublicUrls: join(take(allPublicUrls, 2), ' ')",
        "options",
        "lacks https://api.example.com/api/mcp of publicUrls",
        "certificate-everything-on",
    ),
    "an address that no client writes": Break(
        MAIN,
        "'${hostUrl}/api/mcp'",
        "'${hostUrl}/api/mcp/'",
        "settings",
        "AzureAd__PublicUrls: must be an https:// address",
    ),
    "addresses without their documents": Break(
        "function_app.py",
        "register_functions(protected_resource)",
        "register_functions(blueprint)",
        "settings",
        "which serves its documents",
    ),
    "the address of another app": Break(
        MAIN, "'https://func-api-", "'https://func-orders-", "options", "nothing of this deployment is at"
    ),
    "a person is told another address": Break(
        MAIN, "= allPublicUrls[?0]", "= allPublicUrls[?1]", "options", "MCP_URL is"
    ),
    "an address without a verified domain for several tenants": Break(
        MAIN, " && empty(allowedTenants)\n", "\n", "options", "in a domain of the tenant", "several-tenants"
    ),
    "Copilot is not pre-authorized": Break(
        ENTRA,
        "      preAuthorizedCopilot,\n",
        "      take(preAuthorizedCopilot, 0),\n",
        "options",
        "must be pre-authorized",
        "certificate-everything-on",
    ),
    "the consent page of Copilot elsewhere": Break(
        ENTRA,
        "https://teams.microsoft.com/api/platform/",
        "https://teams.example.com/api/platform/",
        "options",
        "the redirect URIs for the web are",
        "certificate-everything-on",
    ),
    "redirect URIs for the web without Copilot": Break(
        ENTRA,
        "  web: copilotRedirect",
        "  web: copilotRedirect ?? { redirectUris: [] }",
        "options",
        "for the web are []",
    ),
    "Copilot gets 403": Break(
        MAIN,
        "AzureAd__ConsentPromptClients: copilotClientId",
        "AzureAd__ConsentPromptClients: guid(copilotClientId)",
        "options",
        "AzureAd__ConsentPromptClients must be",
        "certificate-everything-on",
    ),
    "an MCP client on another machine without TLS": Break(
        ENTRA,
        "'http://127.0.0.1'",
        "'http://192.168.0.1'",
        "hardening",
        "the redirect URI http://192.168.0.1 is no https",
    ),
    "nobody assigned": Break(
        ENTRA,
        "  for principalId in assignedPrincipalIds: {\n    resourceId: apiS",
        "  for principalId in take(assignedPrincipalIds, 1): {\n    resourceId: apiS",
        "options",
        "assigned must be",
    ),
    "assigned to a role": Break(
        ENTRA, "var noRole = '00000000-", "var noRole = '10000000-", "options", "has the role 00000000"
    ),
    "app without its owner": Break(
        ENTRA,
        "displayName: 'Client (${environmentName})'\n  owners: owners",
        "displayName: 'Client (${environmentName})'",
        "options",
        "client-b5yrr757no2co: its owners must be",
    ),
    # Alerts and the workbook.
    "alerts that nobody asked for": Break(
        MAIN,
        "module operations 'operations.bicep' = if (!empty(alertEmail))",
        "module operations 'operations.bicep' = if (alertEmail != 'nobody')",
        "operations",
        "nobody gave alertEmail",
        "certificate",
    ),
    "alerts for somebody else": Break(
        OPERATIONS,
        "emailAddress: email",
        "emailAddress: 'somebody-${email}'",
        "operations",
        "must go to operators@",
        "managed-identity-everything-on",
    ),
    "alert that tells nobody": Break(
        OPERATIONS,
        "actionGroups: [actionGroup.id]",
        "actionGroups: []",
        "operations",
        "tells nobody",
        "managed-identity-everything-on",
    ),
    "alert with a gap": Break(
        OPERATIONS, "window: 'P1D'", "window: 'PT1H'", "operations", "is shorter", "managed-identity-everything-on"
    ),
    "alert that is off": Break(
        OPERATIONS,
        "enabled: true\n      severity",
        "enabled: false\n      severity",
        "operations",
        "it is off",
        "managed-identity-everything-on",
    ),
    "severity that Azure does not know": Break(
        OPERATIONS, "severity: 2", "severity: 7", "operations", "from 0 to 3", "managed-identity-everything-on"
    ),
    "threshold in the rule": Break(
        OPERATIONS, "threshold: 0", "threshold: 1", "operations", "in the queries", "managed-identity-everything-on"
    ),
    "alert on another resource": Break(
        OPERATIONS,
        "scopes: [applicationInsights.id]",
        "scopes: [resourceGroup().id]",
        "operations",
        "does not look at the component",
        "managed-identity-everything-on",
    ),
    "long name of the action group": Break(
        OPERATIONS,
        "groupShortName: 'api-alerts'",
        "groupShortName: 'alerts-of-the-api'",
        "operations",
        "1 to 12 letters",
        "managed-identity-everything-on",
    ),
    "workbook without a table": Break(
        OPERATIONS,
        "...map(charts,",
        "...map(take(charts, 2),",
        "operations",
        "a table is missing",
        "managed-identity-everything-on",
    ),
    "workbook with its own time": Break(
        OPERATIONS,
        "timeContextFromParameter: 'TimeRange'",
        "timeContextFromParameter: 'Other'",
        "operations",
        "a time of its own",
        "managed-identity-everything-on",
    ),
    "workbook without a GUID": Break(
        OPERATIONS,
        "name: guid(applicationInsights.id, 'on-behalf-of')",
        "name: 'workbook-${resourceToken}'",
        "operations",
        "must be a GUID",
        "managed-identity-everything-on",
    ),
    "query that is not there": Break(
        OPERATIONS, "queries/alert-circuit.kql", "queries/alert-circuits.kql", "compiler", "alert-circuits.kql"
    ),
    # What the compiler leaves open.
    "value only Azure knows": Break(
        MAIN,
        "AzureAd__Scopes: 'access_as_user'",
        "AzureAd__Scopes: subscription().displayName",
        "openness",
        "AzureAd__Scopes is left open",
    ),
    "script that goes on": Break(SCRIPT, "set -euo pipefail", "set -u", "certificate_script", "goes on after an error"),
}


def said(project: Project, found_by: str) -> Iterator[str]:
    """What the compiler, or a group of rules, has against a project."""
    return project.diagnostics if found_by == COMPILER else problems(project, found_by)


@pytest.mark.parametrize("mistake", BREAKS)
def test_the_mistake_is_found(mistake: str, project: Project, tmp_path: Path) -> None:
    path, old, new, found_by, words, parameters = BREAKS[mistake]
    copy = project.copy(tmp_path)
    for name in copy.sets if parameters else ():
        if name != parameters:
            (tmp_path / SETS / f"{name}.bicepparam").unlink()
    lines: list[str] = []
    for line in said(copy.changed(path, old, new), found_by):
        lines.append(line)
        if words in line:
            return
    pytest.fail(f"{found_by} says only {lines}")


def test_every_group_has_its_mistakes() -> None:
    assert {each.found_by for each in BREAKS.values()} == {COMPILER, *GROUPS}
