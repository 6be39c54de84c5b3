using '../../../infra/main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param cloud = 'AzureCloud'
param clientCredential = 'managedIdentity'
param requireAssignment = true
param assignedPrincipalIds = ['8f4e3d2c-1b0a-4987-8665-54433221100f', '905f4e3d-2c1b-4a09-8876-655443322110']
param jobPrincipalIds = ['b2716051-4f3e-4d2c-9aa9-988776655443', 'c3827162-5f4e-4d3c-8bba-a99887766554']
param registrationOwnerIds = ['a1605f4e-3d2c-4b1a-8998-877665544332']
