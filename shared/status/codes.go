package status

import "slices"

// Code names a condition. Codes are stable: alert rules, --output json and scripts use
// them.
type Code string

// Severity says whether somebody has to act.
type Severity string

// Severities. A problem is exit code 2 of stackusage status.
const (
	Problem Severity = "problem"
	Notice  Severity = "notice"
)

// Conditions of a registration, of the app, and of this reading.
const (
	StackSilent        Code = "StackSilent"
	HoursMissing       Code = "HoursMissing"
	HoursAccepted      Code = "HoursAccepted"
	AgentSilent        Code = "AgentSilent"
	AgentFailing       Code = "AgentFailing"
	CertificateEnds    Code = "CertificateEnds"
	HourConflict       Code = "HourConflict"
	FileRejected       Code = "FileRejected"
	FileUnregistered   Code = "FileUnregistered"
	RowsUndecided      Code = "RowsUndecided"
	DecisionWaits      Code = "DecisionWaits"
	DayOverdue         Code = "DayOverdue"
	DayWaits           Code = "DayWaits"
	RecordsDeclined    Code = "RecordsDeclined"
	BatchRefused       Code = "BatchRefused"
	BatchUnanswered    Code = "BatchUnanswered"
	CredentialsRefused Code = "CredentialsRefused"
	MessagesFailed     Code = "MessagesFailed"
	MessagesPoisoned   Code = "MessagesPoisoned"
	SweepSilent        Code = "SweepSilent"
	NotRead            Code = "NotRead"
)

// Condition is what a Code stands for.
type Condition struct {
	Code    Code
	Means   string
	NoAlert string // why no alert rule fires for it; empty: one does
}

// Conditions lists every code. Alert rules (infra/modules/alert-rules.bicep) name the codes
// that they fire for, and a test compares the two.
func Conditions() []Condition { return slices.Clone(conditions) }

var conditions = []Condition{
	{StackSilent, "the stack has reported nothing since some hour, and its calendar expects more", ""},
	{HoursMissing, "reported hours are missing, and later ones have landed", ""},
	{HoursAccepted, "hours are missing, and an operator has recorded that they will never come", "it is decided"},
	{AgentSilent, "the newest heartbeat of the agent is over two hours old, or there is none", "StackSilent fires once its hours are missing"},
	{AgentFailing, "the agent cannot collect or upload something", "StackSilent or HoursMissing fires once an hour is missing"},
	{CertificateEnds, "a certificate or secret of the agent ends within 30 days; within 7 days it is a problem", "the app does not read heartbeats by itself; the agent's metric is for alerts"},
	{HourConflict, "two files with different rows were reported for one hour", ""},
	{FileRejected, "a file was rejected, and no other file of its hour is accepted", ""},
	{FileUnregistered, "files wait for a registration", "a stack may begin before it is registered; its files are kept"},
	{RowsUndecided, "rejected rows wait for a decision", ""},
	{DecisionWaits, "the stack reports something other than what a closed day is charged by", "nothing is billed otherwise until somebody decides"},
	{DayOverdue, "a usage day is not closed two hours after its deadline", ""},
	{DayWaits, "a usage day waits for missing hours, or for its next revision", "it closes by itself"},
	{RecordsDeclined, "commerce declined records of a usage day", ""},
	{BatchRefused, "commerce refuses every request with a batch, or its address is wrong", ""},
	{BatchUnanswered, "a batch has no readable response after several tries, or for six hours", ""},
	{CredentialsRefused, "commerce refuses the identity of the app", ""},
	{MessagesFailed, "messages failed five times or cannot be read, and nobody has dismissed them", ""},
	{MessagesPoisoned, "messages are on a poison queue", ""},
	{SweepSilent, "no run of Sweep has ended without an error for 30 minutes", ""},
	{NotRead, "something could not be read, so that it may hide problems", "it is about one reading of the status"},
}
