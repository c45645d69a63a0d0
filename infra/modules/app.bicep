// The function app on Flex Consumption, and every app setting. Settings that Flex forbids are not here: the runtime,
// its version and the package's place stand in functionAppConfig.
param token string
param location string
param tags object
param identityName string
param storageName string
param deploymentContainer string
param vaultUrl string
param insightsName string
param subnetId string
param eventTopicEndpoint string
param apiClientId string
param oauthClientId string
param oauthCredential string
param oauthCredentialSecretName string
param allowedTenants string
param publicUrl string
param oauthRedirectUris string
param returnOrigins string
param maximumInstanceCount int
param alwaysReadyCount int
param instanceMemoryMB int

var clouds = { AzureCloud: 'public', AzureUSGovernment: 'usgovernment', AzureChinaCloud: 'china' }

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: 'func-${token}'
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: { minTlsVersion: '1.2', http20Enabled: true }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${account.properties.primaryEndpoints.blob}${deploymentContainer}'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identity.id }
        }
      }
      runtime: { name: 'python', version: '3.11' }
      scaleAndConcurrency: {
        maximumInstanceCount: maximumInstanceCount
        instanceMemoryMB: instanceMemoryMB
        alwaysReady: alwaysReadyCount == 0 ? [] : [{ name: 'http', instanceCount: alwaysReadyCount }]
        triggers: { http: { perInstanceConcurrency: 16 } } // Python's default is 1; the handlers are async
      }
    }
  }

  // Publishing with a user name and password is off: deployments come with an Entra token only.
  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }
}

var address = empty(publicUrl) ? 'https://${app.properties.defaultHostName}' : publicUrl

var serviceSettings = {
  ENVIRONMENT: 'production'
  AZURE_CLOUD: clouds[environment().name]
  PUBLIC_URL: address
  ALLOWED_TENANTS: allowedTenants
  API_AUDIENCE: apiClientId
  VAULT_URL: vaultUrl
  AZURE_CLIENT_ID: identity.properties.clientId
  OAUTH_CLIENT_ID: oauthClientId
  OAUTH_CREDENTIAL: oauthCredential
  OAUTH_CREDENTIAL_SECRET: oauthCredentialSecretName
  OAUTH_REDIRECT_URIS: oauthRedirectUris
  RETURN_ORIGINS: returnOrigins
  WORK_SCHEDULE: '*/10 * * * * *'
  UPKEEP_SCHEDULE: '0 17 4 * * *'
}

// The host's own storage, by identity. Outside the public cloud it must be told the addresses.
var storageSettings = {
  AzureWebJobsStorage__accountName: account.name
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identity.properties.clientId
}
var storageAddresses = environment().name == 'AzureCloud' ? {} : {
  AzureWebJobsStorage__blobServiceUri: account.properties.primaryEndpoints.blob
  AzureWebJobsStorage__queueServiceUri: account.properties.primaryEndpoints.queue
  AzureWebJobsStorage__tableServiceUri: account.properties.primaryEndpoints.table
}

// An address, no credential: local authentication is off at Application Insights.
var telemetrySettings = {
  APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
  // The default keeps five traces a second and drops the log lines of the others; alerts and the runbook need each line.
  OTEL_TRACES_SAMPLER: 'microsoft.fixed_percentage'
  OTEL_TRACES_SAMPLER_ARG: '1.0'
}

var eventSettings = empty(eventTopicEndpoint) ? {} : { EVENT_TOPIC_ENDPOINT: eventTopicEndpoint }

resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'appsettings'
  properties: union(serviceSettings, storageSettings, storageAddresses, telemetrySettings, eventSettings)
}

output name string = app.name
output publicUrl string = address
