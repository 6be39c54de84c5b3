using '../../../infra/main.bicep'

// 64 letters: the most that azd allows.
param environmentName = 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee'
param location = 'germanywestcentral'
param cloud = 'AzureCloud'
param sharedTokenCache = true
