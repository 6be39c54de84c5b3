using '../../../../infra/registrations.bicep'

param environmentName = 'test'
