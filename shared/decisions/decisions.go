// Package decisions reads what operators decided, from the tables where it is recorded.
//
//	Registrations   changes of registrations, tenants and infrastructure; activation keys
//	UsageHours      which file of an hour is accepted; redrives
//	Quarantine      rejected rows that were dismissed
//	Decisions       hours that will never come; observations that are no findings
//	UsageDays       requests for a revision, once a revision answers them
//	OpenDays        requests that no revision answers yet
//	UsageBatches    batches that were settled, or tried at once
//	FailedMessages  messages that were sent again or dismissed
//
// What the app does by itself is no decision, and neither is what follows from one: days
// that Sweep has restated because a registration changed are listed as that change.
package decisions

import (
	"cmp"
	"context"
	"slices"
	"time"

	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Kind says what was decided. The texts are a public interface.
type Kind string

// Kinds, in the order of the data flow.
const (
	RegistrationCreate    Kind = "registrationCreate"
	RegistrationUpdate    Kind = "registrationUpdate"
	RegistrationEnd       Kind = "registrationEnd"
	RegistrationIssueKey  Kind = "registrationIssueKey" // the first key that names a provider subscription
	TenantMap             Kind = "tenantMap"
	TenantUnmap           Kind = "tenantUnmap"
	InfrastructureSet     Kind = "infrastructureSet"
	InfrastructureConfirm Kind = "infrastructureConfirm"
	HourKeep              Kind = "hourKeep"      // the accepted file stays
	HourSupersede         Kind = "hourSupersede" // the file replaces the accepted one
	HourWithdraw          Kind = "hourWithdraw"  // it does not, after all
	HourExclude           Kind = "hourExclude"
	HourReingest          Kind = "hourReingest"
	HourAcceptMissing     Kind = "hourAcceptMissing"
	QuarantineRedrive     Kind = "quarantineRedrive"
	QuarantineDismiss     Kind = "quarantineDismiss"
	DayRestate            Kind = "dayRestate"
	DaySettle             Kind = "daySettle"
	DayCarryForward       Kind = "dayCarryForward"
	FindingConfirm        Kind = "findingConfirm"
	BatchSettle           Kind = "batchSettle"
	BatchRetry            Kind = "batchRetry"
	MessageResend         Kind = "messageResend"
	MessageDismiss        Kind = "messageDismiss"
)

// Decision is one decision, with what it is about.
type Decision struct {
	reasoned.Decision // At is zero where nothing recorded it
	Kind              Kind
	CloudID           string // of the stack; empty for a message that names none
	Open              bool   // it is recorded, and not carried out yet

	Hours    *Hours    // of hours and their rows
	Day      usage.Day // of days, revisions and batches; 0: the decision is about none
	Revision int       // that answers the request, or that the batch is of
	Batch    int
	Queue    string // of a message
	Message  string // its key
	Detail   string // what else was decided, as people read it
}

// Hours are what a decision about reported hours names.
type Hours struct {
	First, Last usage.Hour
	SHA16       string // of the file; empty if it is about no file
	Rows        int64  // dismissed rows
	Line        int64  // of the first of them
}

// Question says which decisions are asked for.
type Question struct {
	CloudID  string               // empty: of all stacks
	Since    time.Time            // zero: all
	Kinds    []Kind               // nil: all
	Progress func(reading string) // nil: nobody is told
}

// source is a table, or several, with what is decided there.
type source struct {
	name  string
	kinds []Kind
	read  func(*run) error
}

var sources = []source{
	{table.Registrations, []Kind{RegistrationCreate, RegistrationUpdate, RegistrationEnd, RegistrationIssueKey, TenantMap, TenantUnmap,
		InfrastructureSet, InfrastructureConfirm}, (*run).registrations},
	{table.UsageHours, []Kind{HourKeep, HourSupersede, HourWithdraw, HourExclude, HourReingest, QuarantineRedrive}, (*run).files},
	{table.Quarantine, []Kind{QuarantineDismiss}, (*run).dismissed},
	{table.Decisions, []Kind{HourAcceptMissing}, (*run).acceptedMissing},
	{table.Decisions, []Kind{FindingConfirm}, (*run).confirmed},
	{table.UsageDays, []Kind{DayRestate, DaySettle, DayCarryForward}, (*run).days},
	{table.UsageBatches, []Kind{BatchSettle, BatchRetry}, (*run).batches},
	{table.FailedMessages, []Kind{MessageResend, MessageDismiss}, (*run).messages},
}

// Kinds are all kinds, in the order of the data flow.
func Kinds() (all []Kind) {
	for _, s := range sources {
		all = append(all, s.kinds...)
	}
	return all
}

// run is one reading.
type run struct {
	ctx    context.Context
	tables table.Store
	q      Question
	found  []Decision
}

// Read lists decisions, the newest first. Tables that have nothing of the kinds that are
// asked for are not read, and of the large ones storage sends only rows with a decision:
// with Since, those of which the last one is as new.
func Read(ctx context.Context, tables table.Store, q Question) ([]Decision, error) {
	r := &run{ctx: ctx, tables: tables, q: q}
	for _, s := range sources {
		if q.Kinds != nil && !slices.ContainsFunc(s.kinds, func(k Kind) bool { return slices.Contains(q.Kinds, k) }) {
			continue
		}
		r.reading(s.name)
		if err := s.read(r); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(r.found, func(a, b Decision) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.CloudID, b.CloudID), cmp.Compare(a.Text(""), b.Text("")))
	})
	return r.found, nil
}

func (r *run) reading(what string) {
	if r.q.Progress != nil {
		r.q.Progress(what)
	}
}

// add keeps a decision that is asked for. One without a time is older than any day.
func (r *run) add(d Decision) {
	d.At = d.At.UTC()
	if d.At.Before(r.q.Since) || r.q.Kinds != nil && !slices.Contains(r.q.Kinds, d.Kind) || r.q.CloudID != "" && d.CloudID != r.q.CloudID {
		return
	}
	r.found = append(r.found, d)
}

// app are the functions that record what they do by themselves, as if they had decided it.
var app = []string{"CloseDay", "IngestHour", "Sweep"}

func byApp(d reasoned.Decision) bool { return slices.Contains(app, d.By) }
