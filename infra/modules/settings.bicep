metadata name = 'Settings'
metadata description = 'The app settings: what the handler and the Functions host read. A test compares them with the code.'

import { storageEndpoints } from 'storage-account.bicep'

@description('Required. Client id of the app\'s identity.')
param clientId string

@description('Required. Storage of the Functions host.')
param host storageEndpoints

@description('Required. Storage of the app.')
param usage storageEndpoints

@description('Required. Landing storage, for hour blobs.')
param landing storageEndpoints

@description('Required. URL of commerce, before /v1/records.')
param commerceEndpoint string

@description('Required. Audience of tokens for commerce; empty sends no token.')
param commerceAudience string

@description('Required. Memory of one instance in MiB.')
param instanceMemoryMB int

@description('Required. Connection string for logs.')
param insightsConnectionString string

@description('Required. Settings that differ from their default, by name.')
param overrides object

var ofHost = {
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${clientId};Authorization=AAD'
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
  AzureWebJobsStorage__blobServiceUri: host.blob
  AzureWebJobsStorage__clientId: clientId
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__queueServiceUri: host.queue
  AzureWebJobsStorage__tableServiceUri: host.table
}

var ofHandler = {
  UsageStorage__blobServiceUri: usage.blob
  UsageStorage__clientId: clientId
  UsageStorage__credential: 'managedidentity'
  UsageStorage__queueServiceUri: usage.queue
  UsageStorage__tableServiceUri: usage.table
  LandingStorage__blobServiceUri: landing.blob
  LandingStorage__clientId: clientId
  LandingStorage__credential: 'managedidentity'
  LandingStorage__queueServiceUri: landing.queue // asked for with the others; nothing is read from it
  LandingStorage__tableServiceUri: landing.table // the same
  COMMERCE_ENDPOINT: commerceEndpoint
  COMMERCE_SCOPE: empty(commerceAudience) ? '' : '${commerceAudience}/.default'
  COMMERCE_LATENESS_LIMIT: ''
  SETTLING_HOURS: '6'
  CLOSE_DELAY: '48h'
  REOPEN_DELAY: '6h'
  FORWARD_RETRY: '30s'
  SEND_LIMIT: '5m'
  SWEEP_SCHEDULE: '0 */5 * * * *'
  SWEEP_GRACE: '15m'
  SWEEP_LOOKBACK: '336h'
  MAX_HOUR_BYTES: '2147483648'
  MAX_HOUR_ROWS: '20000000'
  MAX_HOUR_DISK: '134217728'
  SPILL_SUMS: '120000'
  INSTANCE_MEMORY_MB: string(instanceMemoryMB)
  INSTANCE_DISK_MB: '800'
  INVOCATION_LIMIT: '28m'
  BEHIND_APP_SERVICE_AUTH: 'true' // sign-in.bicep puts it in front of every call
  LOG_LEVEL: 'info' // alert rules read lines of this level
}

@description('All app settings, by name.')
output all object = union(ofHost, ofHandler, overrides)
