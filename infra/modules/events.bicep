// The optional topic that the service publishes lifecycle events to. Subscriptions are the operator's own.
param name string
param location string
param tags object
param privateNetwork bool

resource topic 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  properties: {
    inputSchema: 'CloudEventSchemaV1_0'
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
  }
}

output name string = topic.name
output endpoint string = topic.properties.endpoint
