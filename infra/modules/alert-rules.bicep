metadata name = 'Alert rules'
metadata description = 'Alert rules. Each query reads log lines of the app, with fields as the code names them; a test compares them.'

@export()
@description('Beginning of all queries: a line of the app is one JSON object.')
var logLines = '''
let lines = AppTraces
| where Message startswith '{'
| extend e = parse_json(Message)
| extend msg = tostring(e.msg);
'''

@export()
@description('Rules: severity 1 if money is at stake, 2 if it soon is. Each row of a result is a reason for the alert. Windows overlap, because lines arrive late. findings are the codes of stackusage status for the same condition. QUARANTINE is a number of rows.')
var rules = [
  {
    name: 'conflict'
    severity: 1
    windowSize: 'PT1H'
    evaluationFrequency: 'PT15M'
    findings: ['HourConflict']
    query: '''
lines
| where msg == 'hour ingested' and tostring(e.verdict) == 'conflict'
| project TimeGenerated, blob = tostring(e.blob), reason = tostring(e.reason)
'''
  }
  {
    name: 'quarantine-growing'
    severity: 2
    windowSize: 'P1D'
    evaluationFrequency: 'PT1H'
    findings: ['RowsUndecided', 'FileRejected']
    query: '''
lines
| where msg == 'hour ingested'
| summarize rejectedRows = sum(tolong(e.quarantined)), rejectedFiles = countif(tostring(e.verdict) == 'rejected')
| where rejectedRows > QUARANTINE or rejectedFiles > 0
'''
  }
  {
    name: 'day-overdue'
    severity: 1
    windowSize: 'PT1H'
    evaluationFrequency: 'PT30M'
    findings: ['DayOverdue']
    query: '''
lines
| where msg == 'day overdue'
| summarize times = count(), deadline = max(todatetime(e.deadline)) by cloudId = tostring(e.cloudId), usageDay = tostring(e.usageDay)
| where times > 3
'''
  }
  {
    name: 'commerce-refusing'
    severity: 1
    windowSize: 'PT1H'
    evaluationFrequency: 'PT15M'
    findings: ['RecordsDeclined', 'BatchRefused', 'BatchUnanswered']
    query: '''
let waits = lines
| where msg == 'batch waits' and (tostring(e.kind) in ('declined', 'endpoint') or tostring(e.kind) == 'unreadable' and tolong(e.tries) > 2 or tostring(e.kind) != 'credentials' and tolong(e.tries) > iff(tostring(e.kind) == 'busy', 20, 4))
| project TimeGenerated, batch = tostring(e.batch), what = tostring(e.cause);
let answers = lines
| where msg == 'batch done' and tolong(e.rejected) + tolong(e.expired) + tolong(e.conflict) > 0
| project TimeGenerated, batch = tostring(e.batch), what = Message;
let days = lines
| where msg == 'day declined'
| project TimeGenerated, batch = strcat(tostring(e.cloudId), ' ', tostring(e.usageDay)), what = Message;
union waits, answers, days
'''
  }
  {
    name: 'credentials-refused'
    severity: 1
    windowSize: 'PT30M'
    evaluationFrequency: 'PT15M'
    findings: ['CredentialsRefused']
    query: '''
lines
| where msg == 'batch waits' and tostring(e.kind) == 'credentials'
| project TimeGenerated, batch = tostring(e.batch), cause = tostring(e.cause)
'''
  }
  {
    name: 'poison-message'
    severity: 2
    windowSize: 'PT30M'
    evaluationFrequency: 'PT15M'
    findings: ['MessagesFailed', 'MessagesPoisoned']
    query: '''
let failed = lines
| where msg == 'message failed for good'
| project TimeGenerated, what = tostring(e.queue);
let unreadable = lines
| where msg == 'invocation settled' and tostring(e.reason) startswith 'message: '
| project TimeGenerated, what = tostring(e.reason);
union failed, unreadable
'''
  }
]
