// The whole service in one subscription-scope deployment. `azd up` fills the parameters from its environment;
// docs/deploy.md explains each of them. Nothing here is a secret, and nothing secret is ever an output.
targetScope = 'subscription'

@description('Name of this deployment: part of every name and tag, so that several can stand side by side.')
@minLength(1)
@maxLength(32)
param environmentName string

@description('Azure region; it must offer Flex Consumption.')
param location string

@description('Application (client) id of the API app registration: the audience of callers\' tokens.')
@minLength(36)
param apiClientId string

@description('Application (client) id of the service\'s own OAuth app registration.')
@minLength(36)
param oauthClientId string

@description('Tenant ids, comma-separated, whose tokens are accepted. Empty: only the tenant of this deployment.')
param allowedTenants string = ''

@description('Public address, when it is not the function app\'s own host name (a custom domain or a front door).')
param publicUrl string = ''

@description('More redirect URIs, comma-separated, that callers\' codes may come from.')
param oauthRedirectUris string = ''

@description('Origins, comma-separated, that a returnUrl may point to.')
param returnOrigins string = ''

@description('How the OAuth app proves itself. federated needs no secret.')
@allowed(['federated', 'certificate', 'secret'])
param oauthCredential string = 'federated'

@description('Name of the Key Vault secret that holds the OAuth app\'s certificate or secret; not for federated.')
param oauthCredentialSecretName string = ''

@description('Most instances that the app may scale out to.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 100

@description('Instances that are kept warm for HTTP. 0 costs nothing at rest; 1 or more hides cold starts.')
@minValue(0)
@maxValue(100)
param alwaysReadyCount int = 0

@description('Memory of an instance in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Puts storage, vault and topic behind private endpoints, and the app into a virtual network.')
param privateNetwork bool = false

@description('Redundancy of the storage account. A row is the only place that knows what is owed: three zones by default.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageSku string = 'Standard_ZRS'

@description('Creates an Event Grid topic that the service publishes to.')
param eventTopic bool = false

@description('Mail address that alerts go to. Empty: alerts fire, but only the portal shows them.')
param alertEmail string = ''

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 90

var tags = { 'azd-env-name': environmentName, product: 'keyvault-connections' }
var token = toLower(uniqueString(subscription().id, environmentName, location))

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  params: { name: 'id-${token}', location: location, tags: tags }
}

module logs 'modules/logs.bicep' = {
  scope: group
  params: { token: token, location: location, tags: tags, retentionDays: logRetentionDays }
}

module storage 'modules/storage.bicep' = {
  scope: group
  params: {
    name: 'st${token}'
    sku: storageSku
    location: location
    tags: tags
    workspaceId: logs.outputs.workspaceId
    privateNetwork: privateNetwork
  }
}

module vault 'modules/vault.bicep' = {
  scope: group
  params: {
    name: 'kv-${token}'
    location: location
    tags: tags
    workspaceId: logs.outputs.workspaceId
    privateNetwork: privateNetwork
  }
}

module events 'modules/events.bicep' = if (eventTopic) {
  scope: group
  params: { name: 'evgt-${token}', location: location, tags: tags, privateNetwork: privateNetwork }
}

module network 'modules/network.bicep' = if (privateNetwork) {
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    storageName: storage.outputs.name
    vaultName: vault.outputs.name
    topicName: eventTopic ? events!.outputs.name : ''
  }
}

module grants 'modules/rbac.bicep' = {
  scope: group
  params: {
    principalId: identity.outputs.principalId
    storageName: storage.outputs.name
    vaultName: vault.outputs.name
    insightsName: logs.outputs.insightsName
    topicName: eventTopic ? events!.outputs.name : ''
  }
}

module app 'modules/app.bicep' = {
  scope: group
  dependsOn: [grants] // the app reads its package and its first messages with these roles
  params: {
    token: token
    location: location
    tags: union(tags, { 'azd-service-name': 'api' })
    identityName: identity.outputs.name
    storageName: storage.outputs.name
    deploymentContainer: storage.outputs.deploymentContainer
    vaultUrl: vault.outputs.url
    insightsName: logs.outputs.insightsName
    subnetId: privateNetwork ? network!.outputs.appSubnetId : ''
    eventTopicEndpoint: eventTopic ? events!.outputs.endpoint : ''
    apiClientId: apiClientId
    oauthClientId: oauthClientId
    oauthCredential: oauthCredential
    oauthCredentialSecretName: oauthCredentialSecretName
    allowedTenants: empty(allowedTenants) ? tenant().tenantId : allowedTenants
    publicUrl: publicUrl
    oauthRedirectUris: oauthRedirectUris
    returnOrigins: returnOrigins
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyCount: alwaysReadyCount
    instanceMemoryMB: instanceMemoryMB
  }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    insightsName: logs.outputs.insightsName
    workspaceId: logs.outputs.workspaceId
    clientId: identity.outputs.clientId
    publicUrl: app.outputs.publicUrl
    alertEmail: alertEmail
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output FUNCTION_APP_NAME string = app.outputs.name
output PUBLIC_URL string = app.outputs.publicUrl
output IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId
