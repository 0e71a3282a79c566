metadata name = 'Events'
metadata description = 'Announces each blob that lands, by a message on a queue.'

import { landedQueue } from 'names.bicep'
import { builtInRoles } from 'roles.bicep'

@description('Required. Name of the system topic.')
param topicName string

@description('Required. Region of the landing storage.')
param location string

@description('Required. Name of the storage account that hour blobs land in.')
param landingAccountName string

@description('Required. Container of it for events that could not be delivered.')
param deadLetterContainer string

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

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: topicName
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: landing.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

// Delivery adds messages to this one queue.
resource sends 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: ledger::queues::announced
  name: guid(ledger::queues::announced.id, topicName, builtInRoles.queueSender)
  properties: {
    principalId: topic.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', builtInRoles.queueSender)
  }
}

// Dead letters. Event Grid checks this right on the account, not on the container.
// On this account, where hour blobs are immutable, it can harm least.
resource buries 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: landing
  name: guid(landing.id, topicName, builtInRoles.blobContributor)
  properties: {
    principalId: topic.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', builtInRoles.blobContributor)
  }
}

resource landed 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'landed'
  dependsOn: [sends, buries]
  properties: {
    deadLetterWithResourceIdentity: {
      identity: {
        type: 'SystemAssigned'
      }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: {
          blobContainerName: deadLetterContainer
          resourceId: landing.id
        }
      }
    }
    deliveryWithResourceIdentity: {
      identity: {
        type: 'SystemAssigned'
      }
      destination: {
        endpointType: 'StorageQueue'
        properties: {
          queueMessageTimeToLiveInSeconds: -1 // never expires, as messages of our own
          queueName: landedQueue
          resourceId: ledger.id
        }
      }
    }
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: [
        'Microsoft.Storage.BlobCreated'
      ]
      subjectBeginsWith: '/blobServices/default/containers/landing-'
    }
    retryPolicy: {
      eventTimeToLiveInMinutes: 1440
      maxDeliveryAttempts: 30
    }
  }
}
