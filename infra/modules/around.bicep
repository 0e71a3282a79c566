metadata name = 'Around the app'
metadata description = 'Rights beside those of the app, events of new blobs, and alerts.'

import { people } from 'access-people.bicep'
import { registration } from 'landing.bicep'

@description('Required. Prefix of names.')
param prefix string

@description('Required. Region.')
param location string

@description('Required. Registered stacks.')
param registrations registration[]

@description('Required. Groups of people, and recipient of alerts.')
param who people

@description('Required. Name of the landing storage account, for hour blobs.')
param landingAccountName string

@description('Required. Name of the storage account of the app.')
param ledgerAccountName string

@description('Required. Container for events that could not be delivered.')
param deadLetterContainer string

@description('Required. Resource id of the custom role that adds blobs.')
param addBlobsId string

@description('Required. Resource id of the custom role that writes blobs and deletes none.')
param keepContentsId string

@description('Required. Resource id of the workspace of the logs.')
param workspaceId string

module agents 'access-agents.bicep' = {
  name: 'access-agents'
  params: {
    landingAccountName: landingAccountName
    registrations: registrations
    addBlobsId: addBlobsId
  }
}

module peopleAccess 'access-people.bicep' = {
  name: 'access-people'
  params: {
    who: who
    ledgerAccountName: ledgerAccountName
    landingAccountName: landingAccountName
    keepContentsId: keepContentsId
  }
}

module events 'events.bicep' = {
  name: 'events'
  params: {
    topicName: '${prefix}-landed'
    location: location
    landingAccountName: landingAccountName
    deadLetterContainer: deadLetterContainer
    ledgerAccountName: ledgerAccountName
  }
}

module alerts 'alerts.bicep' = {
  name: 'alerts'
  params: {
    prefix: prefix
    location: location
    workspaceId: workspaceId
    registrations: registrations
    quarantineRows: who.quarantineRows
    alertEmail: who.alertEmail
  }
}
