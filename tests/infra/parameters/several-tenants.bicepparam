using '../../../infra/main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param cloud = 'AzureCloud'
param clientCredential = 'managedIdentity'
param allowedTenants = ['b2715f4e-3d2c-4b1a-8998-877665544332']
param publicUrls = ['https://api.example.com/api/mcp', 'https://api.example.com']
