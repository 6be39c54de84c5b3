using '../../../../infra/registrations.bicep'

param environmentName = 'test'
param apiIdentityPrincipalId = 'b2716051-4f3e-4d2c-9aa9-988776655443'
param apiCertificatePem = '-----BEGIN CERTIFICATE-----MIIBnew0-----END CERTIFICATE-----'
