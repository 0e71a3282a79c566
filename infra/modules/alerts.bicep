metadata name = 'Alerts'
metadata description = 'The alert rules, and who is told. docs/operations.md says for each what to do.'

import { logLines, rules } from 'alert-rules.bicep'
import { registration } from 'landing.bicep'

@description('Required. Beginning of the rules\' names.')
param prefix string

@description('Required. Region of the workspace.')
param location string

@description('Required. Resource id of the workspace.')
param workspaceId string

@description('Required. Registered stamps.')
param registrations registration[]

@description('Required. Refused rows within a day that nobody has to be told of.')
param quarantineRows int

@description('Required. Who is told; empty tells nobody, and the portal alone shows what fired.')
param alertEmail string

var expected = map(filter(registrations, stamp => stamp.?watched ?? true), stamp => stamp.cloudId)

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(alertEmail)) {
  name: prefix
  location: 'global'
  properties: {
    enabled: true
    groupShortName: take(prefix, 12)
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: alertEmail
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: '${prefix}-${rule.name}'
    location: location
    kind: 'LogAlert'
    properties: {
      displayName: '${prefix}: ${rule.name}'
      description: 'docs/operations.md, Alerts: ${rule.name}'
      actions: {
        actionGroups: empty(alertEmail) ? [] : [group.id]
      }
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: '${logLines}${replace(replace(rule.query, 'EXPECTED', string(expected)), 'QUARANTINE', string(quarantineRows))}'
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: {
              minFailingPeriodsToAlert: 1
              numberOfEvaluationPeriods: 1
            }
          }
        ]
      }
      enabled: true
      evaluationFrequency: rule.evaluationFrequency
      scopes: [
        workspaceId
      ]
      severity: rule.severity
      skipQueryValidation: true // a new workspace has no AppTraces before the app's first line, and no app without this deployment
      windowSize: rule.windowSize
    }
  }
]
