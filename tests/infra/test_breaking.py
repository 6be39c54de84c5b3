"""Each mistake is found: a copy of infra/ is broken in memory, and the check that is there for it must say so."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.infra.checks import CHECKS, problems
from tests.infra.project import Project

MAIN, VAULT, APP = "infra/main.bicep", "infra/key-vault.bicep", "infra/function-app.bicep"
CERTIFICATE, ENTRA = "infra/client-certificate.bicep", "infra/app-registrations.bicep"
MONITORING, IDENTITY = "infra/monitoring.bicep", "infra/identity.bicep"
PARAMETERS, LINTER, SCRIPT = "infra/main.parameters.json", "infra/bicepconfig.json", "infra/ensure-certificate.sh"
CACHE = "infra/token-cache.bicep"
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
    """In `path`, `old` becomes `new`; then the `check` says something with `words` in it."""

    path: str
    old: str
    new: str
    check: str
    words: str


BREAKS = {
    # The token cache.
    "keys of Redis": Break(
        CACHE, "accessKeysAuthentication: 'Disabled'", "accessKeysAuthentication: 'Enabled'", "hardening", "accessKeys"
    ),
    "Redis without TLS": Break(
        CACHE, "clientProtocol: 'Encrypted'", "clientProtocol: 'Plaintext'", "hardening", "clientProtocol"
    ),
    "old TLS of Redis": Break(CACHE, "minimumTlsVersion: '1.2'", "minimumTlsVersion: '1.0'", "hardening", "'1.2'"),
    "misspelt property of Redis": Break(
        CACHE, "clusteringPolicy:", "clusterPolicy:", "resources", ".clusterPolicy is no"
    ),
    "a policy Redis does not know": Break(CACHE, "'VolatileLRU'", "'volatile-lru'", "resources", "VolatileLRU"),
    "a name that Redis refuses": Break(
        CACHE, "uniqueString(writerPrincipalId)", "guid(writerPrincipalId)", "values", "breaks Azure's rule"
    ),
    "somebody else may write to Redis": Break(
        MAIN,
        "writerPrincipalId: apiIdentity.outputs.principalId",
        "writerPrincipalId: ordersIdentity.outputs.principalId",
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
        "union(clientCredentialSettings, tokenCacheSettings, {",
        "union(clientCredentialSettings, {",
        "settings",
        "Redis__Url",
    ),
    "Redis without TLS in the setting": Break(MAIN, "'rediss://", "'redis://", "settings", "TokenCache__Redis__Url"),
    "access to Redis not documented": Break(
        SECURITY, "access policy `default`", "access policy `owner`", "roles", "does not say: id-api is access policy"
    ),
    # The types: Bicep itself reports most of these as warnings.
    "misspelt property": Break(
        VAULT, "enableSoftDelete:", "enableSoftDelette:", "resources", ".enableSoftDelette is no"
    ),
    "misspelt property, deep": Break(
        APP, "perInstanceConcurrency:", "perInstanceConcurency:", "resources", "Concurency"
    ),
    "misspelt property in a variable": Break(ENTRA, "isEnabled: true", "enabled: true", "resources", ".enabled is no"),
    "misspelt property of Graph": Break(
        ENTRA, "identifierUris: [apiUri]", "identifierUri: [apiUri]", "resources", "Uri is"
    ),
    "misspelt property in one branch": Break(APP, "instanceCount:", "count:", "resources", ".count is no property"),
    "property at the wrong level": Break(
        VAULT, "  tags: tags\n  properties: {", "  properties: {\n    tags: tags", "resources", ".tags"
    ),
    "unknown type": Break(VAULT, "KeyVault/vaults@", "KeyVault/vault@", "resources", "is not in tests/infra/schemas"),
    "unknown version": Break(
        APP, "Web/sites@2024-11-01", "Web/sites@2024-11-31", "resources", "is not in tests/infra/sch"
    ),
    "value not on a closed list": Break(VAULT, "name: 'standard'", "name: 'basic'", "resources", "standard, premium"),
    "value not on an open list": Break(
        APP, "type: 'blobContainer'", "type: 'blobcontainer'", "resources", "blobContainer"
    ),
    "wrong kind of value": Break(MONITORING, "retentionInDays: 30", "retentionInDays: '30'", "resources", "kind int"),
    "read-only property": Break(
        APP, "    reserved: true", "    reserved: true\n    status: 'Ready'", "resources", "read-only"
    ),
    "required property missing": Break(VAULT, "      family: 'A'\n", "", "resources", ".family is required"),
    "extension forgotten": Break(ENTRA, "extension microsoftGraphV1\n", "", "resources", "microsoftGraphV1"),
    "value out of bounds": Break(
        MAIN, "'kv-${resourceToken}'", "'key-vault-of-${resourceToken}'", "values", "key-vault-of"
    ),
    "name Azure refuses": Break(APP, "'st${serviceName}${resourceToken}'", "'st-${resourceToken}'", "values", "'st-"),
    # The references.
    "syntax error": Break(VAULT, "properties: {", "properties: (", "references", "syntax error"),
    "unknown name": Break(
        VAULT, "workspaceId: auditWorkspaceId", "workspaceId: workspaceId", "references", "workspaceId"
    ),
    "unknown property read": Break(
        VAULT, "vault.properties.vaultUri", "vault.properties.uri", "references", "property uri"
    ),
    "unknown output read": Break(MAIN, "orders.outputs.baseUrl", "orders.outputs.url", "references", "no such output"),
    "unknown function": Break(VAULT, "guid(vault.id", "newguid(vault.id", "references", "newguid() is no function"),
    "declared twice": Break(VAULT, "param name string", "param name string\nparam name string", "references", "twice"),
    "conditional, read as if it were not": Break(
        MAIN, "keyVault!.outputs.uri", "keyVault.outputs.uri", "references", "keyVault is conditional"
    ),
    "loop over what is not known": Break(
        ENTRA, "[for scope in apiScopes: scope.id]", "[for scope in apiApp.api: scope.id]", "references", "BCP178"
    ),
    "not deployed, yet read": Break(
        MAIN, "apiCertificates: useCertificate ? ", "apiCertificates: true ? ", "settings", "the module is not deployed"
    ),
    # The wiring.
    "output never consumed": Break(
        IDENTITY,
        "output name string",
        "output tenantId string = tenant().tenantId\noutput name string",
        "wiring",
        "not consumed",
    ),
    "parameter not used": Break(
        VAULT, "param name string", "param more string\nparam name string", "wiring", "more is not used"
    ),
    "variable not used": Break(
        MAIN, "var tags = {", "var more = 1\nvar tags = {", "wiring", "variable more is not used"
    ),
    "parameter not described": Break(
        VAULT, "@description('The region.')\n", "", "wiring", "location has no @description"
    ),
    "parameter not passed": Break(MAIN, "    corsOrigins: browserOrigins\n", "", "wiring", "does not pass corsOrigins"),
    "unknown parameter passed": Break(
        MAIN, "    corsOrigins: []", "    cors: []", "wiring", "passes cors, which is no"
    ),
    "wrong kind passed": Break(
        MAIN, "instanceMemoryMB: 512", "instanceMemoryMB: '512'", "wiring", "kind string as instanceM"
    ),
    "value that is not allowed": Break(
        MAIN, "instanceMemoryMB: 512", "instanceMemoryMB: 1024", "wiring", "not allowed there"
    ),
    "default that is not allowed": Break(MAIN, "string = '3.13'", "string = '3.9'", "wiring", "not among the allowed"),
    "default in a module": Break(
        VAULT, "param purgeProtection bool", "param purgeProtection bool = true", "wiring", "main.bicep"
    ),
    "module without its file": Break(
        MAIN, "'monitoring.bicep'", "'monitor.bicep'", "wiring", "there is no infra/monitor.b"
    ),
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
    # The settings.
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
        "      DownstreamApis__Orders__BaseUrl: orders.outputs.baseUrl\n"
        "      DownstreamApis__Orders__Scopes: appRegistrations.outputs.ordersScopes\n",
        "",
        "settings",
        "the code calls the API Orders",
    ),
    "API half configured": Break(
        MAIN, "DownstreamApis__Graph__S", "DownstreamApis__Grap__S", "settings", "Grap__BaseUrl"
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
    # Flex Consumption.
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
    "no runtime": Break(APP, "version: pythonVersion\n", "", "flex", "runtime.version is missing"),
    "another plan": Break(APP, "name: 'FC1'", "name: 'Y1'", "flex", "no Flex Consumption plan"),
    # The roles.
    "vault role for the downstream API": Break(
        MAIN,
        "readerPrincipalId: apiIdentity",
        "readerPrincipalId: ordersIdentity",
        "roles",
        "not in the design: id-orders is Key",
    ),
    "one role too many": Break(
        CERTIFICATE, "\nresource officerRole ", ANOTHER_ROLE, "roles", "id-certificate is Key Vault Secrets"
    ),
    "role missing": Break(
        MAIN, "      ordersIdentity.outputs.principalId\n", "", "roles", "not in the Bicep: id-orders is Mon"
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
    "name without principal": Break(
        VAULT, "guid(vault.id, readerPrincipalId, ", "guid(vault.id, ", "roles", "cover the principal"
    ),
    "name without scope": Break(VAULT, "guid(vault.id, ", "guid(", "roles", "does not cover the scope"),
    "name without role": Break(
        APP, ", storageBlobDataOwner)\n  scope", ")\n  scope", "roles", "does not cover the role"
    ),
    "right not documented": Break(
        SECURITY, "| `id-orders` | Storage", "| `id-order` | Storage", "roles", "security.md does not say"
    ),
    "right that is none": Break(
        SECURITY, "| `id-orders` | Storage", "| `id-order` | Storage", "roles", "what the Bicep does not"
    ),
    "permission not documented": Break(
        ENTRA, "    value: 'Orders.Write'", "    value: 'Orders.Delete'", "roles", "Orders.Delete"
    ),
    # The hardening.
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
        VAULT, "purgeProtection ? true : null", "purgeProtection", "hardening", "enablePurgeProt"
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
    "key in an output": Break(
        APP, "string = site.name", "string = storage.listKeys().keys[0].value", "references", "listKeys"
    ),
    "output in camelCase": Break(MAIN, "output API_SCOPE", "output apiScope", "hardening", "SCREAMING_CASE"),
    "output the client needs": Break(MAIN, "output TENANT_ID", "output AZURE_TENANT_ID", "hardening", "TENANT_ID"),
    # azure.yaml and the script.
    "misspelt hook": Break(AZURE, "postdown:", "postDown:", "azure.yaml", "postDown"),
    "misspelt property of a service": Break(AZURE, "remoteBuild:", "remotebuild:", "azure.yaml", "remotebuild"),
    "misspelt property of azd": Break(
        AZURE, "requiredVersions:", "requiredVersion:", "azure.yaml", "azd knows no requiredVersion"
    ),
    "hook without its file": Break(
        AZURE, "hooks/postdown.py", "hooks/post_down.py", "azure.yaml", "hooks.postdown: there is no"
    ),
    "another host": Break(AZURE, "host: function", "host: appservice", "azure.yaml", "services.api"),
    "service the Bicep does not tag": Break(AZURE, "  orders:\n", "  order:\n", "azure.yaml", "the Bicep tags"),
    "variable the script does not get": Break(
        CERTIFICATE, "'ROTATION_TAG'", "'TAG'", "certificate script", "reads ROTATION_TAG"
    ),
    "variable the script does not read": Break(
        SCRIPT, "$VALIDITY_MONTHS", "12", "certificate script", "does not read VALIDITY"
    ),
    "another script": Break(
        CERTIFICATE, "loadTextContent('ensure-", "loadTextContent('make-", "certificate script", "make-certi"
    ),
    "script that goes on": Break(SCRIPT, "set -euo pipefail", "set -u", "certificate script", "goes on after an error"),
}


@pytest.mark.parametrize("mistake", BREAKS)
def test_the_mistake_is_found(mistake: str, project: Project) -> None:
    path, old, new, check, words = BREAKS[mistake]
    found = problems(check, project.changed(path, old, new))
    assert any(words in problem for problem in found), f"{check} says only {found}"


def test_every_check_has_its_mistakes() -> None:
    assert {each.check for each in BREAKS.values()} == set(CHECKS)
