metadata name = 'Custom roles'
metadata description = 'Two roles that are not built in: add blobs and nothing else; write blobs and delete none.'

var here = resourceGroup().id

resource addBlobs 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(here, 'stackusage-add-blobs')
  properties: {
    roleName: 'stackusage: add blobs (${uniqueString(here)})'
    description: 'Creates blobs that do not exist. Reads, lists, overwrites and deletes none.'
    type: 'CustomRole'
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: [
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action'
        ]
        notDataActions: []
      }
    ]
    assignableScopes: [here]
  }
}

resource keepContents 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(here, 'stackusage-keep-contents')
  properties: {
    roleName: 'stackusage: keep contents (${uniqueString(here)})'
    description: 'Makes containers, reads and writes blobs. Deletes nothing: what a bill was made of is evidence.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          'Microsoft.Storage/storageAccounts/blobServices/containers/read'
          'Microsoft.Storage/storageAccounts/blobServices/containers/write'
        ]
        notActions: []
        dataActions: [
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write'
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action'
        ]
        notDataActions: []
      }
    ]
    assignableScopes: [here]
  }
}

// As Azure writes them down in assignments: role definitions are the subscription's,
// wherever they were made.
@description('Resource id of the role of agents.')
output addBlobsId string = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', addBlobs.name)

@description('Resource id of the role that writes blobs: of the app, and of operators who redrive.')
output keepContentsId string = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keepContents.name)
