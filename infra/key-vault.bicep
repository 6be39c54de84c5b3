// Lifetime: that of the resource group and seven more days. A deleted vault is kept that long. With purge protection
// nobody can shorten that time.
// Role: holds the API's client certificate and nothing else. Grants rights on the vault to the API's identity alone. With
// Key Vault Secrets User the identity reads the private key, as the secret with the certificate's name. Certificate
// permissions would show the public part only. If the key stays in the vault, Key Vault Reader shows that public part. Key
// Vault Crypto User lets the identity have the vault sign.
// Reason: rights are granted on a whole vault, so they would cover everything in it.

@description('The one identity that may read or use the private key, by name: that of the API.')
param readerIdentityName string

@description('The identity may use the private key and cannot read it.')
param keyStaysInVault bool

@description('Keeps a deleted vault recoverable for seven days. Nobody can purge it. This cannot be undone.')
param purgeProtection bool

@description('The Log Analytics workspace that the audit log goes to.')
param auditWorkspaceId string

@description('The name of the vault, unique in the whole cloud.')
param name string

@description('The region.')
param location string

@description('Tags of the deployment.')
param tags { *: string }

var keyVaultSecretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var keyVaultCryptoUser = '12338af0-0e69-4776-bea7-57ae8d297424'
var keyVaultReader = '21090545-7ca7-4776-b22c-e363652d74d2'

resource reader 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: readerIdentityName
}

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    // The shortest allowed: a protected name stays taken this long, and the certificate is remade by a deployment.
    softDeleteRetentionInDays: 7
    // Azure refuses false, so it is left out.
    enablePurgeProtection: purgeProtection ? true : null
    // Neither the deployment script nor a Functions app outside a virtual network could reach a closed vault.
    publicNetworkAccess: 'Enabled'
  }
}

resource readerRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!keyStaysInVault) {
  name: guid(vault.id, reader.id, keyVaultSecretsUser)
  scope: vault
  properties: {
    principalId: reader.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
  }
}

resource signerRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (keyStaysInVault) {
  name: guid(vault.id, reader.id, keyVaultCryptoUser)
  scope: vault
  properties: {
    principalId: reader.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultCryptoUser)
  }
}

resource publicPartRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (keyStaysInVault) {
  name: guid(vault.id, reader.id, keyVaultReader)
  scope: vault
  properties: {
    principalId: reader.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultReader)
  }
}

// Each read of the private key, and each signature, is logged.
resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: {
    workspaceId: auditWorkspaceId
    logs: [
      {
        category: 'AuditEvent'
        enabled: true
      }
    ]
  }
}

@description('The address of the vault.')
output uri string = vault.properties.vaultUri
