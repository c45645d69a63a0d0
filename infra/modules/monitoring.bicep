// What operators see and what wakes them: action group, alerts, workbook, availability test.
param token string
param location string
param tags object
param insightsName string
param workspaceId string
param clientId string
param publicUrl string
param alertEmail string

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${token}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'kvconnect'
    enabled: true
    emailReceivers: empty(alertEmail) ? [] : [{ name: 'operators', emailAddress: alertEmail, useCommonAlertSchema: true }]
  }
}

module alerts 'monitoring-alerts.bicep' = {
  params: {
    token: token
    location: location
    tags: tags
    insightsId: insights.id
    workspaceId: workspaceId
    clientId: clientId
    actionGroupId: operators.id
  }
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'keyvault-connections')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Key Vault Connections'
    category: 'workbook'
    sourceId: insights.id
    serializedData: loadTextContent('workbook.json')
  }
}

// Asked from five places each five minutes. The route needs no token and looks at storage and vault.
resource ready 'Microsoft.Insights/webtests@2022-06-15' = {
  name: 'ready-${token}'
  location: location
  tags: union(tags, { 'hidden-link:${insights.id}': 'Resource' })
  kind: 'standard'
  properties: {
    SyntheticMonitorId: 'ready-${token}'
    Name: 'health/ready'
    Enabled: true
    Kind: 'standard'
    Frequency: 300
    Timeout: 60 // a cold start and its checks
    RetryEnabled: true
    Locations: [
      { Id: 'emea-nl-ams-azr' }
      { Id: 'emea-gb-db3-azr' }
      { Id: 'us-va-ash-azr' }
      { Id: 'us-ca-sjc-azr' }
      { Id: 'apac-sg-sin-azr' }
    ]
    Request: { RequestUrl: '${publicUrl}/api/health/ready', HttpVerb: 'GET', FollowRedirects: false }
    ValidationRules: { ExpectedHttpStatusCode: 200, SSLCheck: true, SSLCertRemainingLifetimeCheck: 14 }
  }
}

resource readyAlert 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'not-ready-${token}'
  location: 'global'
  tags: union(tags, { 'hidden-link:${insights.id}': 'Resource', 'hidden-link:${ready.id}': 'Resource' }) // shown with the test
  properties: {
    description: 'health/ready fails from two places or more. What to do: docs/runbook.md#the-service-is-not-ready'
    severity: 1
    enabled: true
    scopes: [ready.id, insights.id]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: ready.id
      componentId: insights.id
      failedLocationCount: 2
    }
    actions: [{ actionGroupId: operators.id }]
  }
}
