using '../../../infra/main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param cloud = 'AzureCloud'
param clientCredential = 'managedIdentity'
param requireAssignment = true
param assignedPrincipalIds = ['8f4e3d2c-1b0a-4987-8665-54433221100f', '905f4e3d-2c1b-4a09-8876-655443322110']
param registrationOwnerIds = ['a1605f4e-3d2c-4b1a-8998-877665544332']
