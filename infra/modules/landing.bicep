metadata name = 'Landing'
metadata description = 'A container for each registration, with blobs that nobody can change, and one for events that could not be delivered.'

@export()
@description('One registered stack.')
type registration = {
  @description('Required. The cloudId: a GUID in lower case with dashes.')
  @minLength(36)
  @maxLength(36)
  cloudId: string
  @description('Required. Object id of the principal that the agent signs in as; of a disconnected stack, of the user or the group who imports its hours.')
  agentPrincipalId: string
  @description('Optional. Type of that principal. Default ServicePrincipal.')
  agentPrincipalType: ('ServicePrincipal' | 'User' | 'Group')?
  @description('Optional. False until the agent of the stack runs: its silence then raises no alert. Later the registration has the switch (stackusage registration update --watched). Default true.')
  watched: bool?
  @description('Optional. True once the policy of the container is locked: a deployment cannot write a locked policy. Default false.')
  locked: bool?
}

@description('Required. Name of the storage account.')
param accountName string

@description('Required. Registered stacks.')
param registrations registration[]

@description('Required. Days that an hour blob cannot be changed or deleted.')
@minValue(1)
@maxValue(146000)
param retentionDays int

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: accountName

  resource blobs 'blobServices' existing = {
    name: 'default'
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = [
  for stack in registrations: {
    parent: account::blobs
    name: 'landing-${stack.cloudId}'
    properties: {
      publicAccess: 'None'
    }
  }
]

// Not yet locked: whoever may manage the account can still take it away.
// docs/deploy.md explains when and how to lock it, which cannot be undone.
resource policies 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2025-01-01' = [
  for (stack, i) in registrations: if (!(stack.?locked ?? false)) {
    parent: containers[i]
    name: 'default'
    properties: {
      allowProtectedAppendWrites: false
      immutabilityPeriodSinceCreationInDays: retentionDays
    }
  }
]

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: account::blobs
  name: 'event-dead-letters'
  properties: {
    publicAccess: 'None'
  }
}

@description('Container of events that could not be delivered.')
output deadLetterContainer string = deadLetters.name
