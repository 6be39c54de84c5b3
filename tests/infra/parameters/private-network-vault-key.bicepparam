using '../../../infra/main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param cloud = 'AzureCloud'
param clientCredential = 'vaultKey'
param existingVaultId = '/subscriptions/2c3d4e5f-6071-4829-9a3b-c4d5e6f70819/resourceGroups/rg-security/providers/Microsoft.KeyVault/vaults/kv-contoso'
param existingCertificateName = 'functions-api'
param existingCertificatePem = 'MIIBnew0AAAA'
param privateNetwork = true
param networkAddressPrefix = '10.8.0.0/16'
