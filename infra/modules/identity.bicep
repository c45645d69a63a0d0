// The one identity of the service. Made apart from the app, so that roles stand before the app starts, and so that the
// federated credential of the OAuth app outlives a rebuilt app.
param name string
param location string
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

output name string = identity.name
output clientId string = identity.properties.clientId
output principalId string = identity.properties.principalId
