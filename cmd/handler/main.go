// Command handler is the custom handler that the Azure Functions host starts:
// an HTTP server on the loopback port in FUNCTIONS_CUSTOMHANDLER_PORT.
//
// It makes the tables, queues and containers that do not exist, then serves
// until it is killed: the host ends it with SIGKILL and never asks. It never
// exits with 0, which the host would not restart. Logs are JSON lines on
// standard output. Settings: config.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"stackusage/handlers"
	"stackusage/shared/azurestore"
	"stackusage/shared/closing"
	"stackusage/shared/commerce"
	"stackusage/shared/landing"
	"stackusage/shared/meter"
	"stackusage/shared/queue"
	"stackusage/shared/registry"
	"stackusage/shared/table"
	"stackusage/shared/telemetry"
)

func main() {
	err := run(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	fmt.Fprintln(os.Stderr, "handler:", err)
	os.Exit(1)
}

// errEnded: serving ended without an error of its own. There is no good end.
var errEnded = errors.New("the server ended")

// run serves until it fails; it never returns nil.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, _ io.Writer) error {
	if len(args) > 0 {
		return fmt.Errorf("argument %q: the handler takes none; the Functions host starts it", args[0])
	}
	port := getenv("FUNCTIONS_CUSTOMHANDLER_PORT")
	if port == "" {
		return errors.New("FUNCTIONS_CUSTOMHANDLER_PORT is not set: the Functions host starts this program (try make demo)")
	}
	config, err := readConfig(getenv)
	if err != nil {
		return err
	}
	app, err := newApp(getenv, config, stdout)
	if err != nil {
		return err
	}
	if err := app.prepare(ctx); err != nil {
		return err
	}
	router, err := app.Router()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return fmt.Errorf("listen for the host: %w", err)
	}
	app.Log.InfoContext(ctx, "handler serves", "port", port)
	server := &http.Server{Handler: router, ReadHeaderTimeout: 30 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return errEnded
}

// app is the function app with the storage it makes ready.
type app struct {
	*handlers.App
	usage *azurestore.Account
}

func newApp(getenv func(string) string, c Config, stdout io.Writer) (*app, error) {
	log, err := telemetry.NewLogger(stdout, c.LogLevel)
	if err != nil {
		return nil, err
	}
	usage, err := azurestore.Connect(getenv, "UsageStorage")
	if err != nil {
		return nil, err
	}
	landed, err := azurestore.Connect(getenv, "LandingStorage")
	if err != nil {
		return nil, err
	}
	temp, err := makeTemp(os.TempDir(), time.Now())
	if err != nil {
		return nil, err
	}
	meters, err := meter.BuiltIn()
	if err != nil {
		return nil, err
	}
	client := &commerce.Client{Endpoint: c.CommerceEndpoint, HTTP: commerce.HTTPClient()}
	if c.CommerceScope != "" {
		cred, err := azurestore.Credential(getenv, "UsageStorage")
		if err != nil {
			return nil, fmt.Errorf("sign in for commerce: %w", err)
		}
		client.Token = func(ctx context.Context) (string, error) {
			token, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{c.CommerceScope}})
			return token.Token, err
		}
	}
	return &app{usage: usage, App: &handlers.App{
		Tables:         usage.Tables,
		Landing:        landed.Blobs,
		LandingService: landed.Blobs.Service(),
		Blobs:          usage.Blobs,
		Queues:         usage.Queues,
		Registrations:  registry.Registry{Tables: usage.Tables},
		Commerce:       client,
		Meters:         meters,
		Log:            log,
		Now:            now,
		Settings: handlers.Settings{
			Rules:           closing.Rules{SettlingHours: c.SettlingHours, LatenessLimit: c.LatenessLimit, CloseDelay: c.CloseDelay, ReopenDelay: c.ReopenDelay},
			Limits:          landing.Limits{Bytes: c.MaxHourBytes, Rows: c.MaxHourRows, Disk: c.MaxHourDisk},
			SpillSums:       c.SpillSums,
			TempDir:         temp,
			ForwardRetry:    c.ForwardRetry,
			SendLimit:       c.SendLimit,
			SweepGrace:      c.SweepGrace,
			SweepLookback:   c.SweepLookback,
			InstanceMemory:  c.InstanceMemory,
			InstanceDisk:    c.InstanceDisk,
			InvocationLimit: c.InvocationLimit,

			BehindAuthentication: c.BehindAuthentication,
		},
	}}, nil
}

// prepare makes what a deployment should have made. It needs no rights that
// the app has not got anyway, and it is what makes a laptop work.
func (a *app) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 25*time.Second) // initializationTimeout is 30 s
	defer cancel()
	queues, err := queue.Names()
	if err != nil {
		return err
	}
	return errors.Join(
		a.usage.Tables.Create(ctx, table.Names()...),
		a.usage.Queues.Create(ctx, queues...),
		a.usage.Blobs.Create(ctx, table.Containers()...),
	)
}
