metadata name = 'Alerts'
metadata description = 'Alert rules and their recipient. docs/operations.md explains what to do about each.'

import { logLines, rules } from 'alert-rules.bicep'
import { silenceRules } from 'alert-rules-silence.bicep'
import { registration } from 'landing.bicep'

@description('Required. Prefix of the rules\' names.')
param prefix string

@description('Required. Region of the workspace.')
param location string

@description('Required. Resource id of the workspace.')
param workspaceId string

@description('Required. Registered stacks.')
param registrations registration[]

@description('Required. Rejected rows within a day that raise no alert.')
param quarantineRows int

@description('Required. Email address for alerts; if it is empty, only the portal shows them.')
param alertEmail string

var unwatched = map(filter(registrations, stack => !(stack.?watched ?? true)), stack => stack.cloudId)

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
  for rule in concat(rules, silenceRules): {
    name: '${prefix}-${rule.name}'
    location: location
    kind: 'LogAlert'
    properties: {
      displayName: '${prefix}: ${rule.name}'
      description: 'docs/operations.md, Alerts: ${rule.name}. In stackusage status: ${join(rule.findings, ', ')}'
      actions: {
        actionGroups: empty(alertEmail) ? [] : [group.id]
      }
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: '${logLines}${replace(replace(rule.query, 'UNWATCHED', string(unwatched)), 'QUARANTINE', string(quarantineRows))}'
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
