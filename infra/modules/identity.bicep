metadata name = 'Identity'
metadata description = 'The identity of the app. It outlives the app, so its roles stay.'

@description('Required. Name of the identity.')
param name string

@description('Required. Region.')
param location string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
}

@description('Resource id.')
output id string = identity.id

@description('Client id, which settings name.')
output clientId string = identity.properties.clientId

@description('Object id, to which roles are assigned.')
output principalId string = identity.properties.principalId
