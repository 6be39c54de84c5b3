using '../../../infra/main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param cloud = 'AzureCloud'
param clientCredential = 'managedIdentity'
param purgeProtection = true
param grantAdminConsent = true
param developerToolClientIds = ['04b07795-8ddb-461a-bbee-02f9e1bf7b46']
param browserOrigins = ['https://app.example.com']
param serviceManagementReference = 'asset-1'
param alwaysReadyInstances = 1
param sharedTokenCache = true
param alertEmail = 'operators@example.com'
