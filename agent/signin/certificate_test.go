package signin_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"slices"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"stackusage/agent/signin"
	"stackusage/internal/devstack/identity"
)

func TestParseCertificate(t *testing.T) {
	p, other := registered(), stranger()
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	modern := pfx(t, pkcs12.Modern2023, p, "p")
	// 70,001 rounds become 8,388,607 in the open part at the end.
	many := pfx(t, pkcs12.LegacyDES.WithIterations(70_001), p, "p")
	at := bytes.LastIndex(many, []byte{2, 3, 1, 0x11, 0x71})
	if at < 0 {
		t.Fatal("the count of rounds is not where it was thought")
	}
	copy(many[at+2:], []byte{0x7f, 0xff, 0xff})
	certOf, keyOf := identity.CertificatePEM, identity.KeyPEM
	locked := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})
	for _, tc := range []struct {
		name, password string
		file           []byte
		says           string // empty: it is read
	}{
		{name: "PEM", file: p.pem()},
		{name: "PEM with the key first", file: slices.Concat(keyOf(p.key), certOf(p.cert))},
		{name: "PEM with another certificate first", file: slices.Concat(certOf(other.cert), p.pem())},
		{name: "PEM, for which a password counts nothing", file: p.pem(), password: "p"},
		{name: "PFX of today", file: modern, password: "p"},
		{name: "PFX of old", file: pfx(t, pkcs12.LegacyRC2, p, "p"), password: "p"},
		{name: "PFX with a wrong password", file: modern, password: "q", says: "password is wrong"},
		{name: "PFX without its password", file: modern, says: "password is wrong"},
		{name: "PFX with a count of rounds that never ends", file: many, password: "p", says: "rounds"},
		{name: "PEM without a key", file: certOf(p.cert), says: "no private key"},
		{name: "PEM without a certificate", file: keyOf(p.key), says: "no certificate"},
		{name: "PEM with another's key", file: slices.Concat(certOf(p.cert), keyOf(other.key)), says: "belongs to its key"},
		{name: "PEM with a locked key", file: slices.Concat(certOf(p.cert), locked), says: "encrypted"},
		{name: "PEM with a key of a curve", file: slices.Concat(certOf(p.cert), keyOf(curve)), says: "no RSA key"},
		{name: "text", file: []byte("hello"), says: "neither a PEM nor a PFX"},
		{name: "more than a certificate can be", file: make([]byte, signin.MaxCertificateBytes+1), says: "larger than"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			certs, key, err := signin.ParseCertificate(tc.file, tc.password)
			if tc.says != "" {
				if err == nil {
					t.Fatal("taken")
				}
				mustSay(t, err.Error(), tc.says)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !certs[0].Equal(p.cert) || !p.key.Equal(key) {
				t.Error("another certificate or key")
			}
		})
	}
}

func FuzzParseCertificate(f *testing.F) {
	p := registered()
	modern, err := pkcs12.Modern2023.WithIterations(1).Encode(p.key, p.cert, nil, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p.pem(), "")
	f.Add(modern, "")
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "p")
	f.Fuzz(func(t *testing.T, file []byte, password string) {
		certs, key, err := signin.ParseCertificate(file, password)
		if (err == nil) != (len(certs) > 0 && key != nil) {
			t.Errorf("%d certificates, %T, %v", len(certs), key, err)
		}
	})
}
