metadata name = 'Access of the app'
metadata description = 'Rights of the app\'s identity: what its bindings and its code need, and no more.'

import { builtInRoles } from 'roles.bicep'

@description('Required. Object id of the app\'s identity.')
param principalId string

@description('Required. Name of the storage account of the Functions host.')
param hostAccountName string

@description('Required. Name of the storage account of the app.')
param ledgerAccountName string

@description('Required. Name of the landing storage account, for hour blobs.')
param landingAccountName string

@description('Required. Name of Application Insights.')
param insightsName string

@description('Required. Resource id of the custom role that writes blobs and deletes none.')
param keepContentsId string

resource host 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: hostAccountName
}

resource ledger 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: ledgerAccountName
}

resource landing 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: landingAccountName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

// AzureWebJobsStorage: the host keeps locks, the timer's memory and keys in
// blobs; tables and queues are for its diagnostics. The account holds nothing else.
var ofHost = [
  builtInRoles.blobOwner
  builtInRoles.queueContributor
  builtInRoles.tableContributor
]

resource onHost 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in ofHost: {
    scope: host
    name: guid(host.id, principalId, role)
    properties: {
      principalId: principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

// UsageStorage. Queues: the triggers take messages and fill poison queues, the
// code sends names on and empties them. Tables: every commit is a row. Both for
// the account, which is the app's alone.
var ofLedger = [
  builtInRoles.queueContributor
  builtInRoles.tableContributor
]

resource onLedger 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in ofLedger: {
    scope: ledger
    name: guid(ledger.id, principalId, role)
    properties: {
      principalId: principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

// UsageStorage, blobs: partials, daily files, batches, receipts, rejected rows. The
// code never deletes a blob, so it may not.
resource contents 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: ledger
  name: guid(ledger.id, principalId, 'stackusage-keep-contents')
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: keepContentsId
  }
}

// LandingStorage: reads hour blobs and lists containers, which is asked of the
// account. It writes nothing there: what a stack reported stays as it is.
resource hours 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: landing
  name: guid(landing.id, principalId, builtInRoles.blobReader)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', builtInRoles.blobReader)
  }
}

// Application Insights takes logs from this identity only.
resource logs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: insights
  name: guid(insights.id, principalId, builtInRoles.metricsPublisher)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', builtInRoles.metricsPublisher)
  }
}
