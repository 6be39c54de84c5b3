using '../../../infra/main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param cloud = 'AzureCloud'
param clientCredential = 'certificate'
param existingVaultId = '/subscriptions/2c3d4e5f-6071-4829-9a3b-c4d5e6f70819/resourceGroups/rg-security/providers/Microsoft.KeyVault/vaults/kv-contoso'
param existingCertificateName = 'functions-api'
// Two, as while the certificate is being replaced.
param existingCertificatePem = '''
-----BEGIN CERTIFICATE-----
MIIBnew0
AAAA
-----END CERTIFICATE-----
-----BEGIN CERTIFICATE-----
MIIBold0
-----END CERTIFICATE-----
'''
