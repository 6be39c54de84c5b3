using '../../../infra/main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param clientCredential = 'managedIdentity'
