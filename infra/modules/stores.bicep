metadata name = 'Stores'
metadata description = 'The three storage accounts and what is in them: hour blobs that landed, the app\'s ledger, and the Functions host\'s own.'

import { containerNames } from 'names.bicep'
import { registration } from 'landing.bicep'
import { storageAccount } from 'storage-account.bicep'

@description('Required. Beginning of the accounts\' names.')
@maxLength(7)
param prefix string

@description('Required. What makes the names unique.')
param suffix string

@description('Required. Region.')
param location string

@description('Required. Registered stamps.')
param registrations registration[]

@description('Required. Days that evidence is kept.')
param retentionDays int

@description('Required. Days that partials are kept.')
param partialDays int

@description('Required. Redundancy of what is evidence.')
param evidenceSku string

module landingAccount 'storage-account.bicep' = {
  name: 'landing-account'
  params: {
    name: '${prefix}land${suffix}'
    location: location
    sku: evidenceSku
    versioning: true
  }
}

module landing 'landing.bicep' = {
  name: 'landing'
  params: {
    accountName: landingAccount.outputs.account.name
    registrations: registrations
    retentionDays: retentionDays
  }
}

module landingLifecycle 'lifecycle.bicep' = {
  name: 'landing-lifecycle'
  params: {
    accountName: landingAccount.outputs.account.name
    kept: [] // all: a rule knows ten containers, and there may be more stacks
    retentionDays: retentionDays
  }
}

module ledgerAccount 'storage-account.bicep' = {
  name: 'ledger-account'
  params: {
    name: '${prefix}data${suffix}'
    location: location
    sku: evidenceSku
    versioning: true
  }
}

module ledger 'ledger.bicep' = {
  name: 'ledger'
  params: {
    accountName: ledgerAccount.outputs.account.name
  }
}

module ledgerLifecycle 'lifecycle.bicep' = {
  name: 'ledger-lifecycle'
  params: {
    accountName: ledgerAccount.outputs.account.name
    kept: filter(containerNames, name => !contains(['partials', 'quarantine'], name)) // refused rows wait for a decision
    passing: ['partials']
    retentionDays: retentionDays
    partialDays: partialDays
  }
}

// What is lost with it is made again by the next deployment: one copy will do.
module hostAccount 'storage-account.bicep' = {
  name: 'host-account'
  params: {
    name: '${prefix}host${suffix}'
    location: location
    sku: 'Standard_LRS'
    versioning: false
  }
}

module package 'package-container.bicep' = {
  name: 'package-container'
  params: {
    accountName: hostAccount.outputs.account.name
  }
}

@description('Storage that hour blobs land in.')
output landing storageAccount = landingAccount.outputs.account

@description('Storage of the app.')
output ledger storageAccount = ledgerAccount.outputs.account

@description('Storage of the Functions host.')
output host storageAccount = hostAccount.outputs.account

@description('Container of the landing storage for events that could not be delivered.')
output deadLetterContainer string = landing.outputs.deadLetterContainer

@description('URL of the container of the package.')
output packageContainerUrl string = '${hostAccount.outputs.account.endpoints.blob}${package.outputs.name}'
