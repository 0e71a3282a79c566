package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stackusage/shared/hourlog"
	"stackusage/shared/reasoned"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// The smoke test's registration is of a stack that does not exist. Its cloudId is the
// same in every deployment, so that deployments can make its container and reports can
// leave it out. No agent ever has it.
const (
	SmokeTestCloudID = "ca7a5700-0000-4000-8000-000000000001"
	SmokeTestName    = "stackusage-canary"
)

// registrationSetting names a registration for all commands of a shell.
const registrationSetting = "STACKUSAGE_REGISTRATION"

// Registration is the registration that a command is about.
type Registration struct {
	env  *Env
	text string
	flag *pflag.Flag
}

// check is an error if the flag is given and empty: a variable that is not set in a
// script must not stand for the only registration, or for all.
func (r *Registration) check() error {
	if r.flag.Changed && strings.TrimSpace(r.text) == "" {
		return errors.New("--registration is empty: name a registration, or leave the flag out")
	}
	return nil
}

// OneRegistration adds --registration to a command that is about one.
func (e *Env) OneRegistration(cmd *cobra.Command) *Registration {
	return e.registration(cmd, "registration, by `name` or cloudId (default: "+registrationSetting+", or the only one)")
}

// AnyRegistration adds --registration to a command that is about all of them, or one.
func (e *Env) AnyRegistration(cmd *cobra.Command) *Registration {
	return e.registration(cmd, "only this registration, by `name` or cloudId (default: "+registrationSetting+", or all)")
}

func (e *Env) registration(cmd *cobra.Command, about string) *Registration {
	r := &Registration{env: e}
	cmd.Flags().StringVar(&r.text, "registration", e.Getenv(registrationSetting), about)
	r.flag = cmd.Flags().Lookup("registration")
	r.flag.DefValue = ""                                                // the text above says it
	_ = cmd.RegisterFlagCompletionFunc("registration", e.completeNames) // the flag is there
	return r
}

// completeNames lists the names of the registrations to a shell.
func (e *Env) completeNames(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), 5*time.Second)
	defer cancel()
	var names []string
	if storage, err := e.Storage(); err == nil {
		histories, _ := storage.Registry().Histories(ctx) // a shell shows no errors
		for _, b := range histories {
			names = append(names, b.Name())
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// parseGUID reads any spelling of a GUID.
func parseGUID(text string) (dashed string, ok bool) {
	text = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(text)), "urn:uuid:")
	text = strings.Trim(text, "{}()")
	return usage.DashedGUID(text), usage.CheckGUID(text) == nil
}

// Name is what people call the stack of a cloudId: the name of its registration, or the
// cloudId where there is none, or another stack has had the same name.
func (s *Storage) Name(ctx context.Context, cloudID string) string {
	return cmp.Or(s.names(ctx)[cloudID], cloudID)
}

// readNames returns names by cloudId, read at the first call. They are for tables alone: one
// that cannot be read is not known.
func (s *Storage) readNames() func(context.Context) map[string]string {
	var once sync.Once
	names := map[string]string{}
	return func(ctx context.Context) map[string]string {
		once.Do(func() {
			histories, _ := s.Registry().Histories(ctx)
			of := map[string]int{}
			for _, h := range histories {
				names[h.CloudID] = h.Name()
				of[h.Name()]++
			}
			maps.DeleteFunc(names, func(_, name string) bool { return of[name] > 1 })
		})
		return names
	}
}

// GUID reads a flag in any spelling of a GUID.
func GUID(flag, text string) (string, error) {
	dashed, ok := parseGUID(text)
	if !ok {
		return "", fmt.Errorf("%s %q: not a GUID", flag, text)
	}
	return dashed, nil
}

// CloudID is that of the one registration.
func (r *Registration) CloudID(ctx context.Context) (*Storage, string, error) {
	if err := r.check(); err != nil {
		return nil, "", err
	}
	if id, ok := parseGUID(r.text); ok {
		storage, err := r.env.Storage()
		return storage, id, err
	}
	storage, history, err := r.History(ctx)
	return storage, history.CloudID, err
}

// Given is the cloudId of the registration that is named; empty for all.
func (r *Registration) Given(ctx context.Context) (*Storage, string, error) {
	if err := r.check(); err != nil {
		return nil, "", err
	}
	if r.text == "" {
		storage, err := r.env.Storage()
		return storage, "", err
	}
	return r.CloudID(ctx)
}

// Filter is Given. A GUID of which nothing is stored is an error: one that was mistyped
// must not read as one of which nothing differs, or of which nothing is to be decided.
func (r *Registration) Filter(ctx context.Context) (*Storage, string, error) {
	storage, id, err := r.Given(ctx)
	if err == nil && id != "" {
		err = storage.checkStored(ctx, id)
	}
	return storage, id, err
}

// checkStored is an error if nothing of a registration is stored.
func (s *Storage) checkStored(ctx context.Context, cloudID string) error {
	for _, err := range hourlog.All(ctx, s.Tables, cloudID) {
		return err
	}
	history, err := s.Registry().History(ctx, cloudID)
	if err != nil || len(history.Registrations) > 0 {
		return err
	}
	return fmt.Errorf("nothing of registration %s is stored; stackusage registration list shows the cloudId of each", cloudID)
}

// History is all that is recorded of the one registration.
func (r *Registration) History(ctx context.Context) (storage *Storage, history registration.History, err error) {
	if err = r.check(); err != nil {
		return nil, history, err
	}
	if storage, err = r.env.Storage(); err != nil {
		return nil, history, err
	}
	if r.text == "" {
		history, err = storage.only(ctx)
		return storage, history, err
	}
	if id, ok := parseGUID(r.text); ok {
		history, err = storage.Registry().History(ctx, id)
		if err == nil && len(history.Registrations) == 0 {
			err = fmt.Errorf("no registration has cloudId %s; stackusage registration list shows them", id)
		}
		return storage, history, err
	}
	history, err = storage.Registrar(false).Named(ctx, r.text)
	return storage, history, err
}

// only is the one registration that there is beside the smoke test's.
func (s *Storage) only(ctx context.Context) (registration.History, error) {
	histories, err := s.Registry().Histories(ctx)
	if err != nil {
		return registration.History{}, err
	}
	histories = slices.DeleteFunc(histories, func(b registration.History) bool { return b.CloudID == SmokeTestCloudID || len(b.Registrations) == 0 })
	if len(histories) == 1 {
		return histories[0], nil
	}
	if len(histories) == 0 {
		return registration.History{}, fmt.Errorf("--registration is missing, and no stack is registered; stackusage registration create registers one")
	}
	names := make([]string, len(histories))
	for i, b := range histories {
		names[i] = cmp.Or(b.Name(), b.CloudID)
	}
	return registration.History{}, fmt.Errorf("--registration is missing; there are: %s", strings.Join(names, ", "))
}

// Decision is a decision about one registration: of which, by whom and why.
type Decision struct {
	Why reasoned.Decision

	of     *Registration
	reason func() error
}

// Flags adds --registration, --reason and --by.
func (d *Decision) Flags(e *Env, cmd *cobra.Command) {
	d.of, d.reason = e.OneRegistration(cmd), ReasonFlags(cmd, &d.Why)
}

// CloudID checks the flags, and is the cloudId of the registration.
func (d *Decision) CloudID(ctx context.Context) (*Storage, string, error) {
	if err := d.reason(); err != nil {
		return nil, "", err
	}
	return d.of.CloudID(ctx)
}

// History checks the flags, and is all that is recorded of the registration.
func (d *Decision) History(ctx context.Context) (*Storage, registration.History, error) {
	if err := d.reason(); err != nil {
		return nil, registration.History{}, err
	}
	return d.of.History(ctx)
}

// Histories are what is recorded of the registration that is named or, if none is, of
// all but the smoke test's.
func (r *Registration) Histories(ctx context.Context) (*Storage, []registration.History, error) {
	storage, cloudID, err := r.Filter(ctx)
	if err != nil {
		return nil, nil, err
	}
	if cloudID != "" {
		history, err := storage.Registry().History(ctx, cloudID)
		history.CloudID = cloudID
		return storage, []registration.History{history}, err
	}
	histories, err := storage.Registry().Histories(ctx)
	if err == nil && len(histories) == 0 {
		err = errors.New("no stack is registered; stackusage registration create registers one")
	}
	return storage, slices.DeleteFunc(histories, func(h registration.History) bool { return h.CloudID == SmokeTestCloudID }), err
}
