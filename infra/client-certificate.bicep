// Lifetime: a certificate is valid for 12 months. Only a deployment replaces it: with a new rotation tag, or in its last 60
// days. The script and its container are deleted as soon as it has run. Its identity remains.
// Role: makes the API's client certificate. Grants Key Vault Certificates Officer on the vault to the script's identity,
// which can manage certificates and cannot read a private key. The public halves go on to the app registration.
// Reason: ARM has no resource type for a certificate, so a deployment script asks the vault for one.

@export()
@description('The public half of one certificate version: base64 of its DER form.')
type publicCertificate = {
  @description('A name for it: its version in Key Vault, or its position among the given ones.')
  version: string

  @description('The public part, for the app registration.')
  der: string
}

@export()
@description('The certificates in a text of one or more PEM blocks, or of the base64 of a single one, in the order given.')
func publicCertificates(pem string) publicCertificate[] =>
  map(filter(split(pem, '-----END CERTIFICATE-----'), block => !empty(trim(block))), (block, index) => {
    version: 'given-${index + 1}'
    der: replace(replace(replace(replace(block, '-----BEGIN CERTIFICATE-----', ''), '\r', ''), '\n', ''), ' ', '')
  })

@description('Each new value makes one new version.')
param rotationTag string

@description('The name of the certificate, and of the secret that holds its private key.')
param certificateName string

@description('Lets the private key be read from the vault. Otherwise the vault signs with it and never shows it.')
param exportable bool

@description('The vault that makes and keeps it.')
param keyVaultName string

@description('The region.')
param location string

@description('Tags of the deployment.')
param tags { *: string }

var keyVaultCertificatesOfficer = 'a4417e6f-fecd-4de8-b567-7b0420556985'

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: keyVaultName
}

resource scriptIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-certificate-${keyVaultName}'
  location: location
  tags: tags
}

resource officerRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, scriptIdentity.id, keyVaultCertificatesOfficer)
  scope: vault
  properties: {
    principalId: scriptIdentity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultCertificatesOfficer)
  }
}

resource ensureCertificate 'Microsoft.Resources/deploymentScripts@2023-08-01' = {
  name: 'ensure-${certificateName}-certificate'
  location: location
  tags: tags
  kind: 'AzureCLI'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${scriptIdentity.id}': {}
    }
  }
  properties: {
    azCliVersion: '2.75.0'
    scriptContent: loadTextContent('ensure-certificate.sh')
    environmentVariables: [
      {
        name: 'VAULT_NAME'
        value: keyVaultName
      }
      {
        name: 'CERTIFICATE_NAME'
        value: certificateName
      }
      {
        name: 'ROTATION_TAG'
        value: rotationTag
      }
      {
        name: 'EXPORTABLE'
        value: exportable ? 'true' : 'false'
      }
      {
        name: 'VALIDITY_MONTHS'
        value: '12'
      }
      {
        name: 'RENEW_DAYS_BEFORE_EXPIRY'
        value: '60'
      }
    ]
    // Azure runs an unchanged script once per retention interval: a repeated deployment is quick, a new tag is not missed.
    forceUpdateTag: rotationTag
    retentionInterval: 'P1D'
    timeout: 'PT20M'
    cleanupPreference: 'Always'
  }
  dependsOn: [officerRole]
}

@description('The two newest versions, newest first: Entra then also accepts instances that still sign with the previous one.')
output publicCertificates publicCertificate[] = ensureCertificate.properties.outputs.certificates

@description('The same as PEM blocks, in one line.')
output pem string = ensureCertificate.properties.outputs.pem
