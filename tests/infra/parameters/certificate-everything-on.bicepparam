using '../../../infra/main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param cloud = 'AzureCloud'
param clientCredential = 'certificate'
param purgeProtection = true
param grantAdminConsent = true
param developerToolClientIds = ['04b07795-8ddb-461a-bbee-02f9e1bf7b46']
param browserOrigins = ['https://app.example.com']
param publicUrls = ['https://api.example.com/api/mcp']
param mcpRedirectUris = ['https://claude.ai/api/mcp/auth_callback']
param copilotClientId = 'ab3be6b7-f5df-413d-ac2d-abf1e3fd9c0b'
param serviceManagementReference = 'asset-1'
param alwaysReadyInstances = 1
param sharedTokenCache = true
param alertEmail = 'operators@example.com'
