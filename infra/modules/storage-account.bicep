metadata name = 'Storage account'
metadata description = 'One storage account, reached with Entra ID only.'

@export()
@description('Endpoints of a storage account.')
type storageEndpoints = {
  @description('Required. URL of the blobs.')
  blob: string
  @description('Required. URL of the queues.')
  queue: string
  @description('Required. URL of the tables.')
  table: string
}

@export()
@description('A storage account, as other modules use it.')
type storageAccount = {
  @description('Required. Its name.')
  name: string
  @description('Required. Its endpoints.')
  endpoints: storageEndpoints
}

@description('Required. Name of the account.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Region.')
param location string

@description('Required. Redundancy, as an SKU.')
param sku string

@description('Required. Keep overwritten or deleted blobs as versions.')
param versioning bool

@description('Optional. Days in which a deleted blob or container can be restored.')
@minValue(1)
@maxValue(365)
param softDeleteDays int = 30

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: name
  location: location
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false // a key opens everything to whoever has it; no role would count
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    networkAcls: {
      bypass: 'AzureServices' // Event Grid
      defaultAction: 'Allow' // agents come from customers' datacentres, the app from no network of its own
    }
    publicNetworkAccess: 'Enabled'
    supportsHttpsTrafficOnly: true
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: account
  name: 'default'
  properties: {
    containerDeleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
    deleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
    isVersioningEnabled: versioning
  }
}

@description('The account.')
output account storageAccount = {
  name: account.name
  endpoints: {
    blob: account.properties.primaryEndpoints.blob
    queue: account.properties.primaryEndpoints.queue
    table: account.properties.primaryEndpoints.table
  }
}
