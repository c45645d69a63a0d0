// The optional virtual network: the app goes out through it, and storage, vault and topic answer inside it only.
param token string
param location string
param tags object
param storageName string
param vaultName string
param topicName string

// The vault's and the topic's zones have other names in other clouds, which no environment() property tells.
var vaultZones = {
  AzureCloud: 'privatelink.vaultcore.azure.net'
  AzureUSGovernment: 'privatelink.vaultcore.usgovcloudapi.net'
  AzureChinaCloud: 'privatelink.vaultcore.azure.cn'
}
var topicZones = {
  AzureCloud: 'privatelink.eventgrid.azure.net'
  AzureUSGovernment: 'privatelink.eventgrid.azure.us'
  AzureChinaCloud: 'privatelink.eventgrid.azure.cn'
}
var suffix = environment().suffixes.storage
var storageEndpoints = map(['blob', 'queue', 'table'], kind => {
  kind: kind
  zone: 'privatelink.${kind}.${suffix}'
  type: 'Microsoft.Storage/storageAccounts'
  name: storageName
})
var vaultEndpoints = [
  { kind: 'vault', zone: vaultZones[environment().name], type: 'Microsoft.KeyVault/vaults', name: vaultName }
]
var topicEndpoints = empty(topicName)
  ? []
  : [{ kind: 'topic', zone: topicZones[environment().name], type: 'Microsoft.EventGrid/topics', name: topicName }]
var endpoints = concat(storageEndpoints, vaultEndpoints, topicEndpoints)

resource network 'Microsoft.Network/virtualNetworks@2025-01-01' = {
  name: 'vnet-${token}'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['10.20.0.0/16'] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: '10.20.0.0/24'
          delegations: [{ name: 'flex', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: 'endpoints'
        properties: { addressPrefix: '10.20.1.0/24', privateEndpointNetworkPolicies: 'Enabled' }
      }
    ]
  }

  resource appSubnet 'subnets' existing = {
    name: 'app'
  }

  resource endpointSubnet 'subnets' existing = {
    name: 'endpoints'
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for endpoint in endpoints: {
  name: endpoint.zone
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (endpoint, i) in endpoints: {
  parent: zones[i]
  name: 'link-${token}'
  location: 'global'
  tags: tags
  properties: { registrationEnabled: false, virtualNetwork: { id: network.id } }
}]

resource privateEndpoints 'Microsoft.Network/privateEndpoints@2025-01-01' = [for endpoint in endpoints: {
  name: 'pe-${endpoint.kind}-${token}'
  location: location
  tags: tags
  properties: {
    subnet: { id: network::endpointSubnet.id }
    privateLinkServiceConnections: [
      {
        name: endpoint.kind
        properties: { privateLinkServiceId: resourceId(endpoint.type, endpoint.name), groupIds: [endpoint.kind] }
      }
    ]
  }
}]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-01-01' = [for (endpoint, i) in endpoints: {
  parent: privateEndpoints[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [{ name: endpoint.kind, properties: { privateDnsZoneId: zones[i].id } }]
  }
}]

output appSubnetId string = network::appSubnet.id
