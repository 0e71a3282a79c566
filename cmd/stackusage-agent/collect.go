package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"stackusage/agent"
	"stackusage/agent/blobdrop"
	"stackusage/agent/spool"
	"stackusage/agent/stackapi"
	"stackusage/shared/telemetry"
	"stackusage/shared/usage"
)

type flags struct {
	fs                                                           *flag.FlagSet
	endpoint, provider, namespace, cloudID, region, domain, from string
	to, spool, infrastructure, logLevel                          string
}

func newFlags(out io.Writer) *flags {
	f := &flags{fs: flag.NewFlagSet("stackusage-agent collect", flag.ContinueOnError)}
	f.fs.SetOutput(out)
	f.fs.Usage = func() { fmt.Fprint(out, help); f.fs.PrintDefaults() }
	f.fs.StringVar(&f.endpoint, "endpoint", "", "`URL` of the stack's administrative Resource Manager")
	f.fs.StringVar(&f.provider, "provider", "", "`GUID` of the default provider subscription")
	f.fs.StringVar(&f.namespace, "namespace", stackapi.NamespaceAdmin, "resource provider of the usage API; stamps of 2017 have "+stackapi.NamespaceOld)
	f.fs.StringVar(&f.infrastructure, "infrastructure", "", "comma-separated `GUIDs` of the stamp's own subscriptions beside --provider, whose usage is free too")
	f.fs.StringVar(&f.cloudID, "cloud-id", "", "`GUID` of the registration, lower case with dashes")
	f.fs.StringVar(&f.region, "region", "", "the stamp's region `name`")
	f.fs.StringVar(&f.domain, "domain", "", "the stamp's external domain `name`")
	f.fs.StringVar(&f.from, "from", "", "first reported hour, RFC 3339 `time` in UTC")
	f.fs.StringVar(&f.to, "to", "", "hour after the last reported hour, RFC 3339 `time` in UTC")
	f.fs.StringVar(&f.spool, "spool", "", "`folder` in which hours wait to be dropped; every registration has a folder of its own in it")
	f.fs.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	return f
}

func collect(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	f := newFlags(stderr)
	if err := f.fs.Parse(args); err != nil {
		return err
	}
	if f.fs.NArg() > 0 {
		return fmt.Errorf("argument %q is not known", f.fs.Arg(0))
	}
	from, to, err := f.check()
	if err != nil {
		return err
	}
	log, err := telemetry.NewLogger(stderr, f.logLevel)
	if err != nil {
		return err
	}
	config := stackapi.Config{Endpoint: f.endpoint, ProviderSubscription: f.provider, Namespace: f.namespace}
	if token := getenv("STACK_TOKEN"); token != "" {
		config.Token = func(context.Context) (string, error) { return token, nil }
	}
	source, err := stackapi.New(config)
	if err != nil {
		return err
	}
	drop, err := connect(getenv)
	if err != nil {
		return err
	}
	sp, err := spool.Open(filepath.Join(f.spool, f.cloudID))
	if err != nil {
		return err
	}
	defer sp.Close()
	a := &agent.Agent{Source: source, Drop: blobdrop.Drop{Client: drop}, Spool: sp, Log: log, Now: time.Now, Stamp: agent.Stamp{
		CloudID: f.cloudID, Region: f.region, Domain: f.domain, AgentVersion: version, ProviderSubscriptions: f.infrastructureList(),
	}}
	report, err := a.Collect(ctx, from, to)
	fmt.Fprintf(stdout, "%d hours: %d collected with %d rows, %d dropped\n", report.Hours, report.Collected, report.Rows, report.Dropped)
	if refused, ok := errors.AsType[*stackapi.Error](err); ok && refused.Status == http.StatusUnauthorized && config.Token == nil {
		return fmt.Errorf("%w: STACK_TOKEN is not set: put a bearer token for the stack's Resource Manager there", err)
	}
	return err
}

// hourForm ends the error of a flag that is no hour.
const hourForm = ": write it as 2019-12-10T19:00:00Z"

// check reports everything that is missing at once.
func (f *flags) check() (from, to usage.Hour, err error) {
	var errs []error
	for _, name := range []string{"endpoint", "provider", "cloud-id", "region", "from", "to", "spool"} {
		if f.fs.Lookup(name).Value.String() == "" {
			errs = append(errs, fmt.Errorf("--%s is missing", name))
		}
	}
	if len(errs) > 0 {
		return 0, 0, errors.Join(errs...)
	}
	if usage.CheckGUID(f.cloudID) != nil || usage.DashedGUID(f.cloudID) != f.cloudID {
		errs = append(errs, fmt.Errorf("--cloud-id %q: must be a GUID in lower case with dashes", f.cloudID))
	}
	for _, id := range f.infrastructureList() {
		if err := usage.CheckGUID(id); err != nil {
			errs = append(errs, fmt.Errorf("subscription %q: %w", id, err))
		}
	}
	if from, err = usage.ParseHour(f.from); err != nil {
		errs = append(errs, fmt.Errorf("--from: %w%s", err, hourForm))
	}
	if to, err = usage.ParseHour(f.to); err != nil {
		errs = append(errs, fmt.Errorf("--to: %w%s", err, hourForm))
	}
	if err := errors.Join(errs...); err != nil {
		return 0, 0, err
	}
	if to <= from {
		return 0, 0, fmt.Errorf("--to %s is not after --from %s", to, from)
	}
	return from, to, nil
}

// infrastructureList is what the stamp's own services run under: the default
// provider subscription, whoever forgets to name it, and the others.
func (f *flags) infrastructureList() []string {
	return ownSubscriptions(f.provider, strings.FieldsFunc(f.infrastructure, func(r rune) bool { return r == ',' || r == ' ' }))
}

func ownSubscriptions(provider string, others []string) []string {
	list := []string{provider}
	for _, id := range others {
		if !slices.ContainsFunc(list, func(have string) bool { return strings.EqualFold(have, id) }) {
			list = append(list, id)
		}
	}
	return list
}

// connect refuses a storage that is named twice, as the function app does: the two
// may be different accounts, and a key that is left over would be used where nobody
// thinks that there is one.
func connect(getenv func(string) string) (*azblob.Client, error) {
	if text := getenv("LandingStorage"); text != "" {
		for _, setting := range []string{"accountName", "blobServiceUri", "queueServiceUri", "tableServiceUri"} {
			if getenv("LandingStorage__"+setting) != "" {
				return nil, fmt.Errorf("connect storage LandingStorage: LandingStorage is a connection string, and LandingStorage__%s is set too: remove one of them", setting)
			}
		}
		return azblob.NewClientFromConnectionString(text, nil)
	}
	uri := getenv("LandingStorage__blobServiceUri")
	if uri == "" {
		return nil, errors.New("set LandingStorage to a connection string, or LandingStorage__blobServiceUri")
	}
	cred, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, fmt.Errorf("sign in to storage: %w", err)
	}
	return azblob.NewClient(uri, cred, nil)
}
