// Lifetime: that of the vault of somebody else. `azd down` leaves this role assignment. It has no effect without the identity.
// Role: lets the API read its client certificate from an existing vault. Grants Key Vault Secrets User to the API's
// identity alone, on the secret that holds the private key and on nothing else. If the key stays in the vault, it grants
// Key Vault Crypto User on that one key, and Key Vault Reader on the vault.
// Reason: the vault is in another resource group, and the API must not read its other contents. Key Vault Reader shows names
// and public parts, and no secret. It cannot be granted on one certificate, because ARM has no such resource type.

@description('The one identity that may read or use the private key, by name: that of the API.')
param readerIdentityName string

@description('The subscription of the identity.')
param readerSubscriptionId string

@description('The resource group of the identity.')
param readerResourceGroup string

@description('The vault, by name.')
param keyVaultName string

@description('The name of the certificate, and of the secret that holds its private key.')
param certificateName string

@description('The identity may use the private key and cannot read it.')
param keyStaysInVault bool

var keyVaultSecretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var keyVaultCryptoUser = '12338af0-0e69-4776-bea7-57ae8d297424'
var keyVaultReader = '21090545-7ca7-4776-b22c-e363652d74d2'

resource reader 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: readerIdentityName
  scope: resourceGroup(readerSubscriptionId, readerResourceGroup)
}

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: keyVaultName

  resource privateKey 'secrets' existing = {
    name: certificateName
  }

  resource signingKey 'keys' existing = {
    name: certificateName
  }
}

resource readerRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!keyStaysInVault) {
  name: guid(vault::privateKey.id, reader.id, keyVaultSecretsUser)
  scope: vault::privateKey
  properties: {
    principalId: reader.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
  }
}

resource signerRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (keyStaysInVault) {
  name: guid(vault::signingKey.id, reader.id, keyVaultCryptoUser)
  scope: vault::signingKey
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
