// Lifetime: that of the resource group. Nothing is rotated: Azure issues and renews what a managed identity signs in with.
// Role: the identity one Functions app runs as. It gets no right here; each module that owns a resource grants the right to it.
// Reason: it stands outside function-app.bicep because the API's app registration may have to name it (federated credential)
// before the Functions app, which in turn needs the registration's client id, can exist.

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

@description('The client id: what code names the identity by.')
output clientId string = identity.properties.clientId

@description('The object id of its service principal: what roles and the federated credential name it by.')
output principalId string = identity.properties.principalId
