metadata name = 'Host'
metadata description = 'The Functions host\'s own storage, with the package. It needs one copy only: the next deployment creates it again.'

import { storageAccount } from 'storage-account.bicep'

@description('Required. Name of the storage account.')
param accountName string

@description('Required. Region.')
param location string

module hostAccount 'storage-account.bicep' = {
  name: 'host-account'
  params: {
    name: accountName
    location: location
    sku: 'Standard_LRS'
    versioning: false
  }
}

module package 'package-container.bicep' = {
  name: 'package-container'
  dependsOn: [hostAccount]
  params: {
    accountName: accountName
  }
}

@description('The account.')
output account storageAccount = hostAccount.outputs.account

@description('URL of the container of the package.')
output packageContainerUrl string = '${hostAccount.outputs.account.endpoints.blob}${package.outputs.name}'
