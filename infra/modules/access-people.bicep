metadata name = 'Access of people'
metadata description = 'Rights of auditors and operators. They are groups; their members are managed elsewhere.'

import { builtInRoles } from 'roles.bicep'

@export()
@description('Groups of people, and recipient of alerts.')
type people = {
  @description('Required. Object id of the group of auditors; empty for none.')
  auditorGroupId: string
  @description('Required. Object id of the group of operators; empty for none.')
  operatorGroupId: string
  @description('Required. Email address for alerts; if it is empty, only the portal shows them.')
  alertEmail: string
  @description('Required. Rejected rows within a day that raise no alert.')
  quarantineRows: int
}

@description('Required. The groups.')
param who people

@description('Required. Name of the storage account of the app.')
param ledgerAccountName string

@description('Required. Name of the landing storage account, for hour blobs.')
param landingAccountName string

@description('Required. Resource id of the custom role that writes blobs and deletes none.')
param keepContentsId string

resource ledger 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: ledgerAccountName
}

resource landing 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: landingAccountName
}

// Auditors read the tables, all of them: they are the audit interface. No blobs,
// whose tags may hold personal data.
resource auditors 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(who.auditorGroupId)) {
  scope: ledger
  name: guid(ledger.id, who.auditorGroupId, builtInRoles.tableReader)
  properties: {
    principalId: who.auditorGroupId
    principalType: 'Group'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', builtInRoles.tableReader)
  }
}

// The tool of operators writes decisions into tables, announces files and batches
// again on queues, and asks how many messages wait.
var ofOperators = [
  builtInRoles.tableContributor
  builtInRoles.queueSender
  builtInRoles.queueReader
]

resource operators 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in ofOperators: if (!empty(who.operatorGroupId)) {
    scope: ledger
    name: guid(ledger.id, who.operatorGroupId, role)
    properties: {
      principalId: who.operatorGroupId
      principalType: 'Group'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

// It reads contents to verify them, and writes the corrected hour blobs of a redrive.
resource contents 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(who.operatorGroupId)) {
  scope: ledger
  name: guid(ledger.id, who.operatorGroupId, 'stackusage-keep-contents')
  properties: {
    principalId: who.operatorGroupId
    principalType: 'Group'
    roleDefinitionId: keepContentsId
  }
}

// It reads hour blobs: verify goes back to the rows that landed.
resource hours 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(who.operatorGroupId)) {
  scope: landing
  name: guid(landing.id, who.operatorGroupId, builtInRoles.blobReader)
  properties: {
    principalId: who.operatorGroupId
    principalType: 'Group'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', builtInRoles.blobReader)
  }
}
