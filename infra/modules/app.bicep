metadata name = 'App'
metadata description = 'The function app with its identity, its rights, its settings and its logs.'

import { authentication } from 'sign-in.bicep'
import { scaling } from 'function-app.bicep'
import { storageAccount } from 'storage-account.bicep'

@description('Required. Name of the app, its plan, its identity and its logs.')
param name string

@description('Required. Region.')
param location string

@description('Required. Landing storage, for hour blobs.')
param landing storageAccount

@description('Required. Storage of the app.')
param ledger storageAccount

@description('Required. Storage of the Functions host.')
param host storageAccount

@description('Required. URL of the container of the package.')
param packageContainerUrl string

@description('Required. Resource id of the custom role that writes blobs and deletes none.')
param keepContentsId string

@description('Required. URL of commerce, before /v1/records.')
param commerceEndpoint string

@description('Required. Audience of tokens for commerce; empty sends no token.')
param commerceAudience string

@description('Required. Who can call the HTTP functions.')
param auth authentication

@description('Required. How far the app scales.')
param scale scaling

@description('Required. Settings that differ from their default, by name.')
param settingOverrides object

@description('Required. Days that logs are kept.')
param logDays int

module identity 'identity.bicep' = {
  name: 'identity'
  params: {
    name: name
    location: location
  }
}

module monitoring 'monitoring.bicep' = {
  name: 'monitoring'
  params: {
    name: name
    location: location
    retentionDays: logDays
  }
}

module access 'access-app.bicep' = {
  name: 'access-app'
  params: {
    principalId: identity.outputs.principalId
    hostAccountName: host.name
    ledgerAccountName: ledger.name
    landingAccountName: landing.name
    insightsName: monitoring.outputs.insightsName
    keepContentsId: keepContentsId
  }
}

module settings 'settings.bicep' = {
  name: 'settings'
  params: {
    clientId: identity.outputs.clientId
    host: host.endpoints
    usage: ledger.endpoints
    landing: landing.endpoints
    commerceEndpoint: commerceEndpoint
    commerceAudience: commerceAudience
    instanceMemoryMB: scale.instanceMemoryMB
    insightsConnectionString: monitoring.outputs.connectionString
    overrides: settingOverrides
  }
}

module functionApp 'function-app.bicep' = {
  name: 'function-app'
  dependsOn: [access] // the app reads its package and its storage as soon as it is there
  params: {
    name: name
    location: location
    identityId: identity.outputs.id
    packageContainerUrl: packageContainerUrl
    settings: settings.outputs.all
    scale: scale
  }
}

module signIn 'sign-in.bicep' = {
  name: 'sign-in'
  params: {
    appName: functionApp.outputs.name
    auth: auth
  }
}

@description('Name of the app.')
output name string = functionApp.outputs.name

@description('Host name of its HTTP functions.')
output hostName string = functionApp.outputs.hostName

@description('Resource id of the workspace of its logs.')
output workspaceId string = monitoring.outputs.workspaceId
