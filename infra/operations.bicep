// Lifetime: that of the resource group; only with an address for alerts.
// Role: four alerts that arrive by e-mail, and a workbook, over what both apps write to Application Insights.
// Reason: the queries are files in queries/. docs/operations.md shows the same files, and the tests run them on lines that
// the code really logs. So a changed text breaks a test, and not an alert.

@description('Who gets the alerts: an e-mail address.')
param email string

@description('The name of the Application Insights component that the apps report to.')
param applicationInsightsName string

@description('The end of the names of alerts.')
param resourceToken string

@description('The region.')
param location string

@description('Tags of the deployment.')
param tags { *: string }

var requestLines = loadTextContent('queries/request-lines.kql')

// Each query yields a row only when somebody has to look. Severity: 1 is an error that users see, 2 is a warning.
var alerts = [
  {
    name: 'exchanges'
    title: 'Token exchanges fail'
    description: 'More than 5 requests in 15 minutes failed because of the settings, the credential or Entra. The request lines have the reason.'
    query: '${requestLines}${loadTextContent('queries/alert-exchanges.kql')}'
    severity: 1
    frequency: 'PT5M'
    window: 'PT15M'
    resolves: true
  }
  {
    name: 'errors'
    title: 'More than 5 % of requests end with 5xx'
    description: 'Of at least 20 requests in 15 minutes, more than 5 % ended with 5xx. The workbook shows the codes and functions.'
    query: loadTextContent('queries/alert-errors.kql')
    severity: 1
    frequency: 'PT5M'
    window: 'PT15M'
    resolves: true
  }
  {
    name: 'circuit'
    title: 'A service is not called for some seconds'
    description: 'Entra or Redis failed several times in a row, so a circuit opened. The log line names the service and the kind of failure.'
    query: loadTextContent('queries/alert-circuit.kql')
    severity: 2
    frequency: 'PT5M'
    window: 'PT15M'
    resolves: true
  }
  {
    name: 'credential'
    title: 'The certificate ends within 30 days, or has ended'
    description: 'Rotate it: docs/deploy.md, "Rotation". This comes once a day until an instance loads a newer certificate.'
    query: loadTextContent('queries/alert-credential.kql')
    severity: 2
    frequency: 'P1D'
    window: 'P1D'
    resolves: false
  }
]

var charts = [
  {
    name: 'requests-by-function'
    title: 'Requests by function'
    query: loadTextContent('queries/requests-by-function.kql')
  }
  {
    name: 'exchanges-and-hits'
    title: 'Exchanges against tokens that were known'
    query: loadTextContent('queries/exchanges-and-hits.kql')
  }
  {
    name: 'failures-by-code'
    title: 'Failures by code'
    query: loadTextContent('queries/failures-by-code.kql')
  }
  {
    name: 'slowest-apis'
    title: 'Slowest APIs'
    query: loadTextContent('queries/slowest-apis.kql')
  }
]

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${resourceToken}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'api-alerts' // mails begin with it; 12 letters at most
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource rules 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for alert in alerts: {
    name: 'alert-${alert.name}-${resourceToken}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: alert.title
      description: alert.description
      enabled: true
      severity: alert.severity
      scopes: [applicationInsights.id]
      evaluationFrequency: alert.frequency
      windowSize: alert.window
      autoMitigate: alert.resolves
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      actions: {
        actionGroups: [actionGroup.id]
      }
    }
  }
]

var timeRange = {
  type: 9
  name: 'time'
  content: {
    version: 'KqlParameterItem/1.0'
    style: 'pills'
    queryType: 0
    resourceType: 'microsoft.insights/components'
    parameters: [
      {
        id: guid('TimeRange')
        version: 'KqlParameterItem/1.0'
        name: 'TimeRange'
        label: 'Time'
        type: 4
        isRequired: true
        value: {
          durationMs: 86400000
        }
        typeSettings: {
          selectableValues: map([3600000, 14400000, 86400000, 604800000, 2592000000], each => { durationMs: each })
          allowCustom: true
        }
      }
    ]
  }
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(applicationInsights.id, 'on-behalf-of')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'On-Behalf-Of: requests, exchanges, failures (${resourceToken})'
    category: 'workbook'
    sourceId: applicationInsights.id
    version: 'Notebook/1.0'
    serializedData: string({
      version: 'Notebook/1.0'
      items: [
        timeRange
        ...map(charts, chart => {
          type: 3
          name: chart.name
          content: {
            version: 'KqlItem/1.0'
            title: chart.title
            query: '${requestLines}${chart.query}'
            size: 0
            timeContextFromParameter: 'TimeRange'
            queryType: 0
            resourceType: 'microsoft.insights/components'
            visualization: 'table'
          }
        })
      ]
      fallbackResourceIds: [applicationInsights.id]
      '$schema': 'https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json'
    })
  }
}
