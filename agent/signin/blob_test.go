package signin_test

import (
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/google/go-cmp/cmp"
	"software.sslmate.com/src/go-pkcs12"

	"stackusage/agent/blobdrop"
	"stackusage/agent/signin"
	"stackusage/internal/devstack/azurite"
	"stackusage/internal/devstack/identity"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

const cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

func TestBlobsAreDroppedByWhoSignedIn(t *testing.T) {
	s := newStand(t)
	s.machine(t)
	cert, key, err := s.ServerCertificate()
	if err != nil {
		t.Fatal(err)
	}
	az, err := azurite.Start(t.Context(), azurite.Options{
		Dir: t.TempDir(), OAuth: true, CertFile: write(t, "cert.pem", cert), KeyFile: write(t, "key.pem", key),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(az.Kill)
	options := &azblob.ClientOptions{ClientOptions: policy.ClientOptions{
		Transport: s.client, Retry: policy.RetryOptions{MaxRetries: -1},
	}}
	connect := func(t *testing.T, cred azcore.TokenCredential) *azblob.Client {
		t.Helper()
		client, err := azblob.NewClient(az.BlobURL(0), cred, options)
		if err != nil {
			t.Fatal(err)
		}
		return client
	}
	owner, err := azblob.NewClientFromConnectionString(az.ConnectionString(0), options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := owner.CreateContainer(t.Context(), landing.Container(cloudID), nil); err != nil {
		t.Fatal(err)
	}
	modern, legacy := s.config(signin.ClientCertificate), s.config(signin.ClientCertificate)
	modern.Certificate, modern.CertificatePassword = pfx(t, pkcs12.Modern2023, registered(), "p"), "p"
	legacy.Certificate = pfx(t, pkcs12.LegacyDES, registered(), "")
	for _, tc := range []struct {
		name, by string
		conf     signin.Config
	}{
		{"client secret", "secret", s.config(signin.ClientSecret)},
		{"client certificate in PEM", "certificate", s.config(signin.ClientCertificate)},
		{"client certificate in a PFX of today", "certificate", modern},
		{"client certificate in a PFX of old, without a password", "certificate", legacy},
		{"managed identity", "managedIdentity", s.config(signin.ManagedIdentity)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := len(s.issued(t))
			name := landing.NameOf(cloudID, usage.HourOf(time.Date(2024, 3, 2, 13, 0, 0, 0, time.UTC)), sha256.Sum256([]byte(tc.name)))
			drop := blobdrop.Drop{Client: connect(t, s.credential(t, tc.conf))}
			if err := drop.Put(t.Context(), name, nopCloser{strings.NewReader(tc.name)}); err != nil {
				t.Fatal(err)
			}
			resp, err := owner.DownloadStream(t.Context(), name.Container(), name.Blob(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if text, err := io.ReadAll(resp.Body); err != nil || string(text) != tc.name {
				t.Errorf("stored %q, %v", text, err)
			}
			want := []identity.Issued{{Tenant: tenantID, ClientID: tc.conf.ClientID, Audience: storage, By: tc.by}}
			if diff := cmp.Diff(want, s.issued(t)[before:]); diff != "" {
				t.Errorf("tokens issued (-want +got)\n%s", diff)
			}
		})
	}
	name := landing.NameOf(cloudID, usage.HourOf(time.Date(2024, 3, 2, 14, 0, 0, 0, time.UTC)), sha256.Sum256([]byte("x")))
	t.Run("a sign-in that fails is the drop's error, whose cause is known", func(t *testing.T) {
		conf := s.config(signin.ClientSecret)
		conf.Secret = "not the secret"
		err := (blobdrop.Drop{Client: connect(t, s.credential(t, conf))}).Put(t.Context(), name, nopCloser{strings.NewReader("x")})
		mustBe(t, err, signin.WrongSecret, "the client secret is wrong", "secret")
		mustSay(t, err.Error(), name.String())
	})
	t.Run("the emulator refuses an AD FS, as Azure does", func(t *testing.T) {
		d := s.directory
		d.Tenants = []identity.Tenant{{ID: identity.ADFS, Audiences: []string{storage}, Clients: d.Tenants[1].Clients}}
		s.put(t, "directory", d)
		conf := s.config(signin.ClientSecret)
		conf.LoginEndpoint, conf.TenantID = s.ADFSEndpoint(), ""
		err := (blobdrop.Drop{Client: connect(t, s.credential(t, conf))}).Put(t.Context(), name, nopCloser{strings.NewReader("x")})
		var answer *azcore.ResponseError
		if !errors.As(err, &answer) || answer.ErrorCode != "AuthenticationFailed" {
			t.Errorf("got %v", err)
		}
	})
}
