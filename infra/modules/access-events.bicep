metadata name = 'Access of events'
metadata description = 'Rights of Event Grid, by the identity of the topic. A module of its own, because names of assignments contain that identity: a topic that is created again has another one, and an assignment cannot be moved.'

import { landedQueue } from 'names.bicep'
import { builtInRoles } from 'roles.bicep'

@description('Required. Object id of the topic\'s identity.')
param principalId string

@description('Required. Name of the landing storage account, for hour blobs.')
param landingAccountName string

@description('Required. Name of the storage account of the app.')
param ledgerAccountName string

resource landing 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: landingAccountName
}

resource ledger 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: ledgerAccountName

  resource queues 'queueServices' existing = {
    name: 'default'

    resource announced 'queues' existing = {
      name: landedQueue
    }
  }
}

// Delivery adds messages to this one queue.
resource sends 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: ledger::queues::announced
  name: guid(ledger::queues::announced.id, principalId, builtInRoles.queueSender)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', builtInRoles.queueSender)
  }
}

// Dead letters. Event Grid checks this right on the account, not on the container.
// On this account, where hour blobs are immutable, it can harm least.
resource buries 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: landing
  name: guid(landing.id, principalId, builtInRoles.blobContributor)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', builtInRoles.blobContributor)
  }
}
