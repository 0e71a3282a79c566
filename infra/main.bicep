metadata name = 'stackusage'
metadata description = 'Everything that the app needs in the registration subscription. To deploy it, follow docs/deploy.md.'

targetScope = 'subscription'

import { authentication } from 'modules/sign-in.bicep'
import { people } from 'modules/access-people.bicep'
import { registration } from 'modules/landing.bicep'
import { scaling } from 'modules/function-app.bicep'

@description('Required. Region of everything.')
param location string

@description('Optional. Name of the resource group; the deployment creates it.')
param resourceGroupName string = 'rg-stackusage'

@description('Optional. Prefix of all names: letters and digits in lower case.')
@minLength(2)
@maxLength(7)
param prefix string = 'susage'

@description('Required. Registered stacks. A stack that is removed from the list keeps its container and its blobs.')
param registrations registration[]

@description('Required. URL of commerce, before /v1/records.')
param commerceEndpoint string

@description('Required. Audience of tokens for commerce; empty sends no token.')
param commerceAudience string

@description('Required. Who can call the HTTP functions.')
param auth authentication

@description('Required. Groups of people, and recipient of alerts.')
param who people

@description('Optional. How far the app scales.')
param scale scaling = {
  instanceMemoryMB: 2048
  maximumInstanceCount: 40
  alwaysReady: []
}

@description('Optional. Days that hour blobs and daily files are kept, the former immutable: seven years.')
param retentionDays int = 2557

@description('Optional. Days that partials are kept. A day that is closed again needs the partials of all its hours.')
@minValue(120)
param partialDays int = 400

@description('Optional. Days that logs are kept.')
param logDays int = 90

@description('Optional. Redundancy of evidence. GRS keeps a second copy in the paired region.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param evidenceSku string = 'Standard_GRS'

@description('Optional. App settings that differ from their default, by name: the README lists them.')
param settingOverrides object = {}

var suffix = uniqueString(subscription().id, resourceGroupName, location)

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: resourceGroupName
  location: location
}

module roles 'modules/custom-roles.bicep' = {
  scope: group
  name: 'custom-roles'
}

module stores 'modules/stores.bicep' = {
  scope: group
  name: 'stores'
  params: {
    prefix: prefix
    suffix: suffix
    location: location
    registrations: registrations
    retentionDays: retentionDays
    partialDays: partialDays
    evidenceSku: evidenceSku
  }
}

module app 'modules/app.bicep' = {
  scope: group
  name: 'app'
  params: {
    name: '${prefix}-${suffix}'
    location: location
    landing: stores.outputs.landing
    ledger: stores.outputs.ledger
    host: stores.outputs.host
    packageContainerUrl: stores.outputs.packageContainerUrl
    keepContentsId: roles.outputs.keepContentsId
    commerceEndpoint: commerceEndpoint
    commerceAudience: commerceAudience
    auth: auth
    scale: scale
    settingOverrides: settingOverrides
    logDays: logDays
  }
}

module around 'modules/around.bicep' = {
  scope: group
  name: 'around'
  params: {
    prefix: prefix
    location: location
    registrations: registrations
    who: who
    landingAccountName: stores.outputs.landing.name
    ledgerAccountName: stores.outputs.ledger.name
    deadLetterContainer: stores.outputs.deadLetterContainer
    addBlobsId: roles.outputs.addBlobsId
    keepContentsId: roles.outputs.keepContentsId
    workspaceId: app.outputs.workspaceId
  }
}

@description('Name of the resource group.')
output resourceGroupName string = group.name

@description('Name of the function app, to which a package is deployed.')
output appName string = app.outputs.name

@description('Host name of the HTTP functions.')
output appHostName string = app.outputs.hostName

@description('Blob endpoint of the landing account, for agents.')
output landingBlobEndpoint string = stores.outputs.landing.endpoints.blob

@description('Storage account of the app, for auditors.')
output ledgerAccountName string = stores.outputs.ledger.name
