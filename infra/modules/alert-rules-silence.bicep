metadata name = 'Alert rules for silence'
metadata description = 'Alert rules that fire because something does not come. They have the form of those in alert-rules.bicep.'

@export()
@description('Rules. UNWATCHED is a list of cloudIds whose silence raises no alert. sweep-silent has a row where there is no line: summarize without by gives one.')
var silenceRules = [
  {
    name: 'hours-missing'
    severity: 2
    windowSize: 'PT6H'
    evaluationFrequency: 'PT1H'
    findings: ['StackSilent', 'HoursMissing']
    query: '''
let silent = lines
| where msg == 'stack silent' and TimeGenerated > ago(1h)
| summarize since = min(tostring(e.since)) by cloudId = tostring(e.cloudId)
| where cloudId !in (dynamic(UNWATCHED))
| project cloudId, usageDay = '', since;
let gaps = lines
| where msg == 'day closed' and tobool(e.complete) == false and coalesce(tobool(e.awaitsDelivery), false) == false
| project cloudId = tostring(e.cloudId), usageDay = tostring(e.usageDay), since = '';
union silent, gaps
'''
  }
  {
    name: 'sweep-silent'
    severity: 1
    windowSize: 'PT30M'
    evaluationFrequency: 'PT15M'
    findings: ['SweepSilent']
    query: '''
lines
| where msg == 'sweep ended'
| summarize runs = count()
| where runs == 0
'''
  }
]
