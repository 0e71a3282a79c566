package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"stackusage/agent/config"
	"stackusage/agent/durable"
	"stackusage/shared/activation"

	"github.com/spf13/cobra"
)

func (p *program) activateCommand() *cobra.Command {
	force := false
	cmd := &cobra.Command{
		Use:   "activate KEY",
		Short: "Write the configuration from an activation key",
		Long: `Write the configuration from the activation key that the registration shows, and list
the settings that are left to fill in. A key holds no secret. An existing file is kept
unless you add --force.`,
		Example: `  stackusage-agent activate eyJmb3JtYXQiOiJzdGFj...
  stackusage-agent activate --force eyJmb3JtYXQiOiJzdGFj...`,
		Args: one("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.activate(args[0], force, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace an existing file and keep it as .bak")
	return cmd
}

func (p *program) activate(text string, force bool, stdout io.Writer) error {
	path := p.config
	key, err := activation.Decode(text)
	if err != nil {
		return err
	}
	if text, err = config.FillSample(filled(key)); err != nil {
		return err
	}
	secrets := filepath.Join(filepath.Dir(path), "secrets")
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.MkdirAll(secrets, 0o750)); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	if err := replace(path, []byte(text), force); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	fmt.Fprintf(stdout, "wrote %s\nregistration %s\nstack %s\nstorage %s, container %s\n", path, key.CloudID, key.Stack.AdminEndpoint(), cmp.Or(key.Account, key.BlobServiceURI), key.Container)
	if key.Rules != nil && key.Rules.BillingModel != "" {
		fmt.Fprintf(stdout, "billing model %s\n", key.Rules.BillingModel)
	}
	switch file := secretFile(key.Identity.Method); key.Identity.Method {
	case activation.ClientSecret:
		fmt.Fprintf(stdout, "put the secret of application %s into %s, mode 0640, group stackusage-agent\n", key.Identity.ClientID, filepath.Join(secrets, file))
	case activation.ClientCertificate:
		fmt.Fprintf(stdout, "put the certificate of application %s with its private key into %s, mode 0640, group stackusage-agent\n", key.Identity.ClientID, filepath.Join(secrets, file))
	}
	// What is left to do is what Load finds wrong.
	var left *config.Error
	if _, err := config.Load(path, p.getenv); errors.As(err, &left) {
		fmt.Fprintln(stdout, "left to fill in:")
		for _, problem := range left.Problems {
			fmt.Fprintln(stdout, " ", problem)
		}
	}
	fmt.Fprintln(stdout, "then check it: stackusage-agent config check --config", path)
	return nil
}

// filled is what a key says, by the keys of the configuration.
func filled(k activation.Key) map[string]string {
	values := map[string]string{
		"cloudId":                    k.CloudID,
		"stack.endpoint":             k.Stack.Endpoint,
		"stack.region":               k.Stack.Region,
		"stack.domain":               k.Stack.Domain,
		"stack.providerSubscription": k.Stack.ProviderSubscription,
		"storage.account":            k.Account,
		"storage.blobServiceUri":     k.BlobServiceURI,
		"storage.container":          k.Container,
		"storage.signIn.method":      k.Identity.Method,
		"storage.signIn.clientId":    k.Identity.ClientID,
	}
	if k.Identity.Method != activation.ManagedIdentity {
		values["storage.signIn.tenantId"] = k.Identity.TenantID
	}
	switch k.Identity.Method {
	case activation.ClientSecret:
		values["storage.signIn.secretFile"] = secretFile(k.Identity.Method)
	case activation.ClientCertificate:
		values["storage.signIn.certificateFile"] = secretFile(k.Identity.Method)
	}
	if k.Rules != nil && k.Rules.FirstHour != nil {
		values["firstHour"] = k.Rules.FirstHour.String()
	}
	return values
}

func secretFile(method string) string {
	if method == activation.ClientCertificate {
		return "storage-certificate.pem"
	}
	return "storage-client-secret"
}

// configMode lets all read the file, which has no secret: the service's user must.
const configMode = 0o644

// replace writes a file that is there whole or not at all. A file that is there
// already is an error, or, by force, kept as .bak.
func replace(path string, text []byte, force bool) error {
	old, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	case !force:
		return fmt.Errorf("%s exists: edit it, or replace it with --force", path)
	default:
		if err := durable.Write(path+".bak", old, configMode); err != nil {
			return err
		}
	}
	return durable.Write(path, text, configMode)
}
