metadata name = 'Package container'
metadata description = 'Container of the deployed package, in the host\'s own storage.'

@description('Required. Name of the storage account.')
param accountName string

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: accountName

  resource blobs 'blobServices' existing = {
    name: 'default'
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: account::blobs
  name: 'app-package'
  properties: {
    publicAccess: 'None'
  }
}

@description('Name of the container.')
output name string = container.name
