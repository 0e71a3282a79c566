metadata name = 'Monitoring'
metadata description = 'Workspace and Application Insights for the logs.'

@description('Required. Name of the workspace and of Application Insights.')
param name string

@description('Required. Region.')
param location string

@description('Required. Days that logs are kept. Logs are no evidence; tables and blobs are.')
@minValue(30)
@maxValue(730)
param retentionDays int

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: name
  location: location
  properties: {
    retentionInDays: retentionDays
    sku: {
      name: 'PerGB2018'
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: name
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    DisableLocalAuth: true // the connection string alone lets nobody write
    WorkspaceResourceId: workspace.id
  }
}

@description('Resource id of the workspace, which alert rules query.')
output workspaceId string = workspace.id

@description('Name of Application Insights.')
output insightsName string = insights.name

@description('Connection string for logs. With local authentication off, it is an address and no secret.')
output connectionString string = insights.properties.ConnectionString
