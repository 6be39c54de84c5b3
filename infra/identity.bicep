// Lifetime: that of the resource group. Nothing is rotated: Azure issues and renews the credentials of a managed identity.
// Role: the identity of one Functions app. It gets no right here. Each module that owns a resource grants the right to it.
// Reason: it is not in function-app.bicep, because the API's app registration may name it (federated credential). The
// Functions app needs the client id of that registration, so it is created later.

@description('The name of the identity.')
param name string

@description('The region.')
param location string

@description('Tags of the deployment.')
param tags { *: string }

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

@description('The client id, by which code names the identity.')
output clientId string = identity.properties.clientId

@description('The object id of its service principal, by which roles and the federated credential name it.')
output principalId string = identity.properties.principalId
