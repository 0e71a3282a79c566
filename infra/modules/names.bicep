metadata name = 'Names'
metadata description = 'Names that the code knows: of containers, queues and tables. A test compares them with it.'

@export()
@description('Containers of the app\'s storage: contents that rows name.')
var containerNames = [
  'partials'
  'daily'
  'outbox'
  'receipts'
  'quarantine'
  'corrected'
]

@export()
@description('The queue that Event Grid announces blobs on.')
var landedQueue = 'usage-landed'

@export()
@description('Queues of the app\'s storage. The poison queues are made before they are needed.')
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
