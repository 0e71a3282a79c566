package smoketest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/outbox"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// The canary is a stack that does not exist.
const (
	canaryCloudID      = cli.SmokeTestCloudID
	canaryName         = cli.SmokeTestName
	canarySubscription = "ca7a5700-0000-4000-8000-000000000002"
	canaryMeter        = "6dab500f-a4fd-49c4-956d-229bb9c8c793" // VM size hours: informational, priced at zero under every model
	canaryHour         = 12                                     // of its day
)

// canaryStart is the first hour of the canary that is accepted. None is ever expected.
var canaryStart = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// canary drops and follows an hour of usage.
type canary struct {
	app  *cli.Storage
	day  usage.Day
	id   hourlog.ID
	file []byte

	confirmed bool // registering it anew may restate days of it
}

// register makes the canary's registration, or finds it. No hour of it is
// expected, so that a usage day closes as soon as its one hour is accepted, and none is
// ever missed.
func (c *canary) register(ctx context.Context, subscription, kind, by string) (made bool, err error) {
	why := registration.Note{By: by, Reason: "stackusage smoke-test: synthetic usage, to check that the deployment works"}
	g := c.app.Registrar(c.confirmed)
	_, made, err = g.Put(ctx, registrar.Change{Registration: registration.Registration{
		CloudID: canaryCloudID, Name: canaryName, EffectiveDay: "20200101", Start: canaryStart, NoHoursExpected: true,
		SubscriptionID: subscription, SubscriptionKind: registration.SubscriptionKind(kind), Cloud: registration.AzureCloud,
		StackKind: registration.ASDK, BillingModel: registration.Development, Region: "canary", Note: why,
	}})
	if err == nil { // so that nobody is asked to confirm that it has none
		_, err = g.SetInfrastructure(ctx, canaryName, registration.InfrastructureEntry{EffectiveDay: "20200101", Note: why})
	}
	return made, err
}

// choose takes the newest day that is over and has no receipt of the canary's,
// out of so many. A day that an earlier run began and did not finish is
// taken up; runs at the same time take the same day and see the same receipt.
func (c *canary) choose(ctx context.Context, now time.Time, back int) error {
	day := usage.HourOf(now).Day()
	for range back {
		day = usage.HourOf(day.Start().Add(-time.Hour)).Day()
		receipt, err := c.receipt(ctx, day)
		if err != nil {
			return err
		}
		if receipt == nil {
			return c.take(day)
		}
	}
	return fmt.Errorf("each of the last %d days has a receipt of the canary's already: look at one with --day, take a new one tomorrow, or go further back with --days (commerce must still take days as old as that)", back)
}

// take makes the hour of a day. It is the same, byte for byte, whoever makes it.
func (c *canary) take(day usage.Day) error {
	hour := usage.HourOf(day.Start().Add(canaryHour * time.Hour))
	var file bytes.Buffer
	w, err := landing.NewWriter(&file, landing.Header{
		CloudID: canaryCloudID, Region: "canary", Domain: "canary.invalid", ReportedStart: hour.Start(), CollectedAt: hour.End(),
		AgentVersion: "stackusage smoke-test", ProviderSubscriptions: []string{}, Tenants: map[string]string{},
	})
	if err != nil {
		return err
	}
	used := hour.Start().Add(-time.Hour)
	if err := w.Row(fmt.Appendf(nil, `{"id":"/canary","name":"canary","type":"Microsoft.Commerce.Admin/UsageAggregate","properties":{"subscriptionId":%q,`+
		`"usageStartTime":%q,"usageEndTime":%q,"instanceData":"{\"Microsoft.Resources\":{\"resourceUri\":\"/subscriptions/%[1]s/resourceGroups/canary/providers/Microsoft.Compute/virtualMachines/canary\",\"location\":\"canary\",\"tags\":\"\",\"additionalInfo\":\"\"}}",`+
		`"quantity":1,"meterId":%[4]q}}`, canarySubscription, used.Format(time.RFC3339), hour.Start().Format(time.RFC3339), canaryMeter)); err != nil {
		return err
	}
	name, _, err := w.Close(1)
	if err != nil {
		return err
	}
	c.day, c.file = day, file.Bytes()
	c.id = hourlog.ID{CloudID: canaryCloudID, Hour: hour, SHA16: name.SHA16}
	return nil
}

func (c *canary) name() landing.Name {
	return landing.Name{CloudID: c.id.CloudID, Hour: c.id.Hour, SHA16: c.id.SHA16}
}

// harmless sees that the day's usage will be charged nothing and be missed by
// nobody: somebody may have changed the canary's registration from a later day
// on than register names.
func (c *canary) harmless(ctx context.Context) error {
	history, err := c.app.Registry().History(ctx, canaryCloudID)
	if err != nil {
		return err
	}
	held, err := history.On(c.day.Compact())
	if err != nil {
		return err
	}
	wrong := ""
	switch {
	case held.BillingModel != registration.Development:
		wrong = fmt.Sprintf("has billing model %s, not Development", held.BillingModel)
	case held.ReportingOff:
		wrong = "reports no usage"
	case !held.NoHoursExpected:
		wrong = "expects hours from " + usage.Point(held.Start)
	case !history.Accepts(c.id.Hour.Start(), 0):
		wrong = "does not accept hours before " + usage.Point(held.Start)
	default:
		return nil
	}
	return fmt.Errorf("somebody changed registration %s: on usage day %s it %s; nothing was dropped; restore it with: stackusage registration update --registration %[1]s --kind %[4]s --stack ASDK --model Development --reporting on --no-hours-expected --start %[5]s --from %[2]s --reason TEXT",
		canaryName, c.day, wrong, held.SubscriptionKind, usage.Point(canaryStart))
}

// drop stores the hour, unless it was ingested already.
func (c *canary) drop(ctx context.Context) (there bool, err error) {
	_, err = hourlog.Read(ctx, c.app.Tables, c.id)
	if !errors.Is(err, table.ErrNotFound) {
		return err == nil, err
	}
	put := func() error {
		return c.app.Landing.Blobs.Put(ctx, c.name().Container(), c.name().Blob(), file{bytes.NewReader(c.file)}, int64(len(c.file)))
	}
	if err = put(); err == nil {
		return false, nil
	}
	// Where no deployment made the container, who may makes it.
	if made := c.app.Landing.Blobs.Create(ctx, c.name().Container()); made != nil {
		return false, errors.Join(err, made)
	}
	return false, put()
}

type file struct{ io.ReadSeeker }

func (file) Close() error { return nil }

// counted is the row of the file that is accepted for the canary's hour; nil if none
// is yet. A verdict that will not change by itself is an error.
func (c *canary) counted(ctx context.Context) (*hourlog.Hour, error) {
	h, err := hourlog.AcceptedHour(ctx, c.app.Tables, c.id)
	if err == nil {
		return &h, nil
	}
	if !errors.Is(err, table.ErrNotFound) {
		return nil, err
	}
	h, err = hourlog.Read(ctx, c.app.Tables, c.id)
	// One that is accepted was so between the two reads: the next look finds it.
	if errors.Is(err, table.ErrNotFound) || err == nil && (!h.Verdict.Final() || h.Verdict == hourlog.Accepted) {
		return nil, nil
	}
	if err == nil {
		err = fmt.Errorf("%s is %s: %s %s", c.name(), h.Verdict, h.Code, h.Reason)
	}
	return nil, err
}

// receipt is the outcome of the canary's line of a day; nil if there
// is none.
func (c *canary) receipt(ctx context.Context, day usage.Day) (*outbox.BilledLine, error) {
	for line, err := range outbox.BilledLines(ctx, c.app.Tables, canaryCloudID, day) {
		if err != nil {
			return nil, err
		}
		if line.Answer != "" {
			return &line, nil
		}
	}
	return nil, nil
}

// waiting tells why a closed day has no receipt.
func (c *canary) waiting(ctx context.Context, revision int64) string {
	_, batches, err := outbox.OfRevision(ctx, c.app.Tables, canaryCloudID, c.day, int(revision))
	if err != nil {
		return err.Error()
	}
	for _, b := range batches {
		if b.State != outbox.BatchDone {
			return fmt.Sprintf("its batch was sent %s; the last response of commerce: %q", usage.Count(b.Tries, "time"), b.LastResponse)
		}
	}
	return fmt.Sprintf("%d batches of it are listed", len(batches))
}
