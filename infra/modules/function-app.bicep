metadata name = 'Function app'
metadata description = 'The plan and the app on it, with the runtime of custom handlers.'

@description('Required. Name of the app; it is part of a host name.')
@maxLength(60)
param name string

@description('Required. Region.')
param location string

@description('Required. Resource id of the app\'s identity.')
param identityId string

@description('Required. URL of the container of the package.')
param packageContainerUrl string

@description('Required. App settings, by name.')
param settings object

@export()
@description('How far the app scales. Each queue and timer function is a scale group of its own, function:<Name>; all HTTP functions are the group http.')
type scaling = {
  @description('Required. Memory of one instance in MiB.')
  instanceMemoryMB: 512 | 2048 | 4096
  @description('Required. Maximum of instances of each scale group.')
  @minValue(40)
  @maxValue(1000)
  maximumInstanceCount: int
  @description('Required. Scale groups with always-ready instances.')
  alwaysReady: scaleGroup[]
}

@description('A scale group with always-ready instances.')
type scaleGroup = {
  @description('Required. http, or function:<Name>.')
  name: string
  @description('Required. Number of instances.')
  instanceCount: int
}

@description('Required. How far it scales.')
param scale scaling

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: name
  location: location
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true // Linux
    zoneRedundant: false
  }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: name
  location: location
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'custom'
        version: '1.0' // any other is accepted, and never starts
      }
      scaleAndConcurrency: {
        alwaysReady: scale.alwaysReady
        instanceMemoryMB: scale.instanceMemoryMB
        maximumInstanceCount: scale.maximumInstanceCount
      }
    }
    httpsOnly: true
    serverFarmId: plan.id
    siteConfig: { // this plan refuses most of it: ftpsState, linuxFxVersion, alwaysOn
      appSettings: map(items(settings), setting => {
        name: setting.key
        value: setting.value
      })
      minTlsVersion: '1.2'
    }
  }

  // Publishing with a user name and password: off. A zip is deployed with a token.
  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }
}

@description('Name of the app.')
output name string = app.name

@description('Host name of its HTTP functions.')
output hostName string = app.properties.defaultHostName
