using '../../../infra/main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param cloud = 'AzureCloud'
param clientCredential = 'managedIdentity'
param sharedTokenCache = true
param privateNetwork = true
param ordersPrivate = true // <orders/>
