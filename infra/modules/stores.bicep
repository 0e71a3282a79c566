metadata name = 'Stores'
metadata description = 'The three storage accounts and what is in them: hour blobs that landed, the app\'s ledger, and the Functions host\'s own.'

import { containerNames } from 'names.bicep'
import { registration } from 'landing.bicep'
import { storageAccount } from 'storage-account.bicep'

@description('Required. Prefix of the accounts\' names.')
@maxLength(7)
param prefix string

@description('Required. Suffix that makes the names unique.')
param suffix string

@description('Required. Region.')
param location string

@description('Required. Registered stacks.')
param registrations registration[]

@description('Required. Days that evidence is kept.')
param retentionDays int

@description('Required. Days that partials are kept.')
param partialDays int

@description('Required. Redundancy of evidence.')
param evidenceSku string

// Names, not outputs of modules: what-if looks into a module only where all its
// parameters are known before anything is made.
var landingName = '${prefix}land${suffix}'
var ledgerName = '${prefix}data${suffix}'

module landingAccount 'storage-account.bicep' = {
  name: 'landing-account'
  params: {
    name: landingName
    location: location
    sku: evidenceSku
    versioning: true
  }
}

module landing 'landing.bicep' = {
  name: 'landing'
  dependsOn: [landingAccount]
  params: {
    accountName: landingName
    registrations: registrations
    retentionDays: retentionDays
  }
}

module landingLifecycle 'lifecycle.bicep' = {
  name: 'landing-lifecycle'
  dependsOn: [landingAccount]
  params: {
    accountName: landingName
    kept: [] // all: a rule knows ten containers, and there may be more stacks
    retentionDays: retentionDays
  }
}

module ledgerAccount 'storage-account.bicep' = {
  name: 'ledger-account'
  params: {
    name: ledgerName
    location: location
    sku: evidenceSku
    versioning: true
  }
}

module ledger 'ledger.bicep' = {
  name: 'ledger'
  dependsOn: [ledgerAccount]
  params: {
    accountName: ledgerName
  }
}

module ledgerLifecycle 'lifecycle.bicep' = {
  name: 'ledger-lifecycle'
  dependsOn: [ledgerAccount]
  params: {
    accountName: ledgerName
    kept: filter(containerNames, name => !contains(['partials', 'quarantine'], name)) // rejected rows wait for a decision
    passing: ['partials']
    retentionDays: retentionDays
    partialDays: partialDays
  }
}

module hostStore 'host.bicep' = {
  name: 'host'
  params: {
    accountName: '${prefix}host${suffix}'
    location: location
  }
}

@description('Landing storage, for hour blobs.')
output landing storageAccount = landingAccount.outputs.account

@description('Storage of the app.')
output ledger storageAccount = ledgerAccount.outputs.account

@description('Storage of the Functions host.')
output host storageAccount = hostStore.outputs.account

@description('Container of the landing storage for events that could not be delivered.')
output deadLetterContainer string = landing.outputs.deadLetterContainer

@description('URL of the container of the package.')
output packageContainerUrl string = hostStore.outputs.packageContainerUrl
