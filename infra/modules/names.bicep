metadata name = 'Names'
metadata description = 'Names of containers, queues and tables, as in the code. A test compares them.'

@export()
@description('Containers of the app\'s storage, with the blobs that rows name.')
var containerNames = [
  'partials'
  'daily'
  'outbox'
  'receipts'
  'quarantine'
  'corrected'
]

@export()
@description('The queue for the events of new blobs.')
var landedQueue = 'usage-landed'

@export()
@description('Queues of the app\'s storage. The poison queues are created before they are needed.')
var queueNames = [
  'usage-landed'
  'usage-landed-poison'
  'usage-days'
  'usage-days-poison'
  'usage-batches'
  'usage-batches-poison'
]

@export()
@description('Tables of the app\'s storage: docs/formats/tables.md.')
var tableNames = [
  'Registrations'
  'UsageHours'
  'DayInputs'
  'OpenDays'
  'UsageDays'
  'DailyUsage'
  'UsageBatches'
  'Quarantine'
  'FailedMessages'
  'Sweeps'
  'Decisions'
]
