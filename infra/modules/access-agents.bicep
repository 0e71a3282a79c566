metadata name = 'Access of agents'
metadata description = 'Each agent may add blobs to the container of its own stamp, and do nothing else anywhere.'

import { registration } from 'landing.bicep'

@description('Required. Name of the storage account that hour blobs land in.')
param landingAccountName string

@description('Required. Registered stamps.')
param registrations registration[]

@description('Required. Resource id of the custom role that adds blobs.')
param addBlobsId string

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: landingAccountName

  resource blobs 'blobServices' existing = {
    name: 'default'
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = [
  for stamp in registrations: {
    parent: account::blobs
    name: 'landing-${stamp.cloudId}'
  }
]

// The credentials of an agent lie in a customer's datacentre. Whoever takes them
// can drop hours for this stamp, and neither read nor change what was reported.
resource adds 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (stamp, i) in registrations: {
    scope: containers[i]
    name: guid(landingAccountName, stamp.cloudId, stamp.agentPrincipalId, 'stackusage-add-blobs')
    properties: {
      principalId: stamp.agentPrincipalId
      principalType: stamp.?agentPrincipalType ?? 'ServicePrincipal'
      roleDefinitionId: addBlobsId
    }
  }
]
