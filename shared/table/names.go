package table

// Tables. Their names and columns are the audit interface, docs/formats/tables.md.
const (
	Registrations  = "Registrations"
	UsageHours     = "UsageHours"
	DayInputs      = "DayInputs"
	OpenDays       = "OpenDays"
	UsageDays      = "UsageDays"
	DailyUsage     = "DailyUsage"
	UsageBatches   = "UsageBatches"
	Quarantine     = "Quarantine"
	FailedMessages = "FailedMessages"
	Sweeps         = "Sweeps"
	Decisions      = "Decisions"
)

// Names lists every table, in the order of the data flow.
func Names() []string {
	return []string{
		Registrations, UsageHours, DayInputs, OpenDays, UsageDays,
		DailyUsage, UsageBatches, Quarantine, FailedMessages, Sweeps, Decisions,
	}
}

// Containers of the app's storage. Rows name a blob by container and name,
// DayInputs its partials by the name alone.
const (
	ContainerPartials   = "partials"
	ContainerDaily      = "daily"
	ContainerOutbox     = "outbox"
	ContainerReceipts   = "receipts"
	ContainerQuarantine = "quarantine" // rejected rows
	ContainerCorrected  = "corrected"  // corrected hour blobs, which the operator's tool makes
)

// Containers lists the containers of the app's storage; those of the landing
// storage are one for each registration.
func Containers() []string {
	return []string{ContainerPartials, ContainerDaily, ContainerOutbox, ContainerReceipts, ContainerQuarantine, ContainerCorrected}
}
