// Lifetime: that of the vault of somebody else. `azd down` leaves this role assignment. It has no effect without the identity.
// Role: lets the API read its client certificate from an existing vault. Grants Key Vault Secrets User to the API's
// identity alone, on the secret that holds the private key and on nothing else.
// Reason: the vault is in another resource group, and the API must not read its other contents.

@description('The one identity that may read the private key, by name: that of the API.')
param readerIdentityName string

@description('The subscription of the identity.')
param readerSubscriptionId string

@description('The resource group of the identity.')
param readerResourceGroup string

@description('The vault, by name.')
param keyVaultName string

@description('The name of the certificate, and of the secret that holds its private key.')
param certificateName string

var keyVaultSecretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource reader 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: readerIdentityName
  scope: resourceGroup(readerSubscriptionId, readerResourceGroup)
}

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: keyVaultName

  resource privateKey 'secrets' existing = {
    name: certificateName
  }
}

resource readerRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault::privateKey.id, reader.id, keyVaultSecretsUser)
  scope: vault::privateKey
  properties: {
    principalId: reader.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
  }
}
