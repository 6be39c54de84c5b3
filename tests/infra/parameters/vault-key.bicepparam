using '../../../infra/main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param cloud = 'AzureCloud'
param clientCredential = 'vaultKey'
