using '../../../infra/main.bicep'

param environmentName = 'test'
param location = 'usgovvirginia'
param cloud = 'AzureUSGovernment'
param clientCredential = 'managedIdentity'
param existingApiClientId = '5c1f0e2d-3b4a-4958-8677-a695b4c3d2e1'
param existingApiScope = 'api://contoso-api/access_as_user'
param existingOrdersClientId = '6d2e1f3c-4a5b-4869-9788-b7a6c5d4e3f2' // <orders/>
param existingOrdersScopes = 'api://contoso-orders/Orders.Read api://contoso-orders/Orders.Write' // <orders/>
param existingClientAppId = '7e3d2c1b-5a4f-4978-8899-c8b7a6d5e4f3'
