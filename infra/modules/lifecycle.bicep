metadata name = 'Lifecycle'
metadata description = 'Tiers of blobs by age: hot, cool, cold, and deleted after their retention. Never archive: evidence must be readable at once.'

@description('Required. Name of the storage account.')
param accountName string

@description('Required. Containers whose blobs are kept for retentionDays; empty for all. At most ten.')
param kept string[]

@description('Optional. Containers whose blobs are deleted after partialDays.')
param passing string[] = []

@description('Required. Days that evidence is kept.')
param retentionDays int

@description('Optional. Days that these blobs are kept.')
param partialDays int = 400

var blocks = {
  blobTypes: ['blockBlob']
}

var cooling = {
  tierToCool: {
    daysAfterModificationGreaterThan: 30
  }
  tierToCold: {
    daysAfterModificationGreaterThan: 90
  }
}

var keptRule = {
  enabled: true
  name: 'kept'
  type: 'Lifecycle'
  definition: {
    filters: union(blocks, empty(kept) ? {} : { prefixMatch: map(kept, name => '${name}/') })
    actions: {
      baseBlob: union(cooling, {
        delete: {
          daysAfterModificationGreaterThan: retentionDays
        }
      })
      version: {
        delete: {
          daysAfterCreationGreaterThan: retentionDays
        }
      }
    }
  }
}

var passingRule = {
  enabled: true
  name: 'passing'
  type: 'Lifecycle'
  definition: {
    filters: union(blocks, { prefixMatch: map(passing, name => '${name}/') })
    actions: {
      baseBlob: {
        delete: {
          daysAfterModificationGreaterThan: partialDays
        }
      }
      version: {
        delete: {
          daysAfterCreationGreaterThan: partialDays
        }
      }
    }
  }
}

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: accountName
}

resource policy 'Microsoft.Storage/storageAccounts/managementPolicies@2025-01-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: empty(passing) ? [keptRule] : [keptRule, passingRule]
    }
  }
}
