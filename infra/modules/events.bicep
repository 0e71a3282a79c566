metadata name = 'Events'
metadata description = 'Puts a message on a queue for each blob that lands.'

import { landedQueue } from 'names.bicep'

@description('Required. Name of the system topic.')
param topicName string

@description('Required. Region of the landing storage.')
param location string

@description('Required. Name of the landing storage account, for hour blobs.')
param landingAccountName string

@description('Required. Its container for events that could not be delivered.')
param deadLetterContainer string

@description('Required. Name of the storage account of the app.')
param ledgerAccountName string

resource landing 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: landingAccountName
}

resource ledger 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: ledgerAccountName
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

module access 'access-events.bicep' = {
  name: 'access-events'
  params: {
    principalId: topic.identity.principalId
    landingAccountName: landingAccountName
    ledgerAccountName: ledgerAccountName
  }
}

resource landed 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'landed'
  dependsOn: [access] // delivery is tried with these rights when the subscription is made
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
      advancedFilters: [
        {
          operatorType: 'StringNotContains' // the agents' own blobs: probes and heartbeats
          key: 'subject'
          values: [
            '/blobs/_'
          ]
        }
      ]
    }
    retryPolicy: {
      eventTimeToLiveInMinutes: 1440
      maxDeliveryAttempts: 30
    }
  }
}
