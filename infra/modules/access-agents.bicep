metadata name = 'Access of agents'
metadata description = 'Each agent can add blobs to the container of its own stack, and nothing else.'

import { registration } from 'landing.bicep'

@description('Required. Name of the landing storage account, for hour blobs.')
param landingAccountName string

@description('Required. Registered stacks.')
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
  for stack in registrations: {
    parent: account::blobs
    name: 'landing-${stack.cloudId}'
  }
]

// The credentials of an agent lie in a customer's datacenter. Whoever steals them
// can add hours for this stack, and neither read nor change what was reported.
resource adds 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (stack, i) in registrations: {
    scope: containers[i]
    name: guid(landingAccountName, stack.cloudId, stack.agentPrincipalId, 'stackusage-add-blobs')
    properties: {
      principalId: stack.agentPrincipalId
      principalType: stack.?agentPrincipalType ?? 'ServicePrincipal'
      roleDefinitionId: addBlobsId
    }
  }
]
