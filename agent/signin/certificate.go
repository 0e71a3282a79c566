package signin

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"software.sslmate.com/src/go-pkcs12"
)

// MaxCertificateBytes is the largest certificate file that is read.
const MaxCertificateBytes = 1 << 20

// parseCertificate reads a PEM or PFX file. The first certificate is the one that
// belongs to the key.
func parseCertificate(text []byte, password string) ([]*x509.Certificate, crypto.PrivateKey, error) {
	if len(text) > MaxCertificateBytes {
		return nil, nil, fmt.Errorf("the file is larger than %d bytes", MaxCertificateBytes)
	}
	read := parsePFX
	if bytes.Contains(text, []byte("-----BEGIN ")) {
		read = parsePEM
	}
	certs, key, err := read(text, password)
	if err != nil {
		return nil, nil, err
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, nil, errors.New("its key is no RSA key, which token issuers ask for: make a certificate with one")
	}
	leaf := slices.IndexFunc(certs, func(cert *x509.Certificate) bool { return private.PublicKey.Equal(cert.PublicKey) })
	if leaf < 0 {
		return nil, nil, errors.New("no certificate in it belongs to its key")
	}
	certs[0], certs[leaf] = certs[leaf], certs[0]
	return certs, private, nil
}

// CertificateEnd is when the certificate in a PEM or PFX file ends.
func CertificateEnd(text []byte, password string) (time.Time, error) {
	certs, _, err := parseCertificate(text, password)
	if err != nil {
		return time.Time{}, err
	}
	return certs[0].NotAfter, nil
}

func parsePEM(text []byte, _ string) ([]*x509.Certificate, crypto.PrivateKey, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return nil, nil, errors.New("its key is encrypted, which PEM files may not be here: use a PFX file with a password")
		}
	}
	certs, key, err := azidentity.ParseCertificates(text, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("not a PEM file with CERTIFICATE and PRIVATE KEY: %w", err)
	}
	return certs, key, nil
}

// parsePFX reads what azidentity does not: files locked with AES and SHA-256, as
// Windows Server 2019 and OpenSSL 3 make them.
func parsePFX(data []byte, password string) ([]*x509.Certificate, crypto.PrivateKey, error) {
	if endless(data, 0) {
		return nil, nil, fmt.Errorf("not a PFX file of use: it asks for more than %d rounds of its password function, or is damaged", maxRounds)
	}
	key, cert, chain, err := pkcs12.DecodeChain(data, password)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return nil, nil, errors.New("the PFX file's password is wrong or missing")
	case err != nil:
		return nil, nil, fmt.Errorf("neither a PEM nor a PFX file with a certificate and its key: %w", err)
	}
	return append([]*x509.Certificate{cert}, chain...), key, nil
}

// maxRounds is far above what is in use, 600,000 at most.
const maxRounds = 2_000_000

// endless reports whether a number in the open part of a PFX file is above
// maxRounds: one damaged byte there, and the library would count for hours before
// it found out. The part that is locked cannot be damaged unnoticed.
func endless(der []byte, depth int) bool {
	for len(der) > 0 && depth < 16 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		if err != nil {
			return false // the library says what is wrong
		}
		if v.Class == asn1.ClassUniversal && v.Tag == asn1.TagInteger && new(big.Int).SetBytes(v.Bytes).Cmp(big.NewInt(maxRounds)) > 0 {
			return true
		}
		if v.IsCompound && endless(v.Bytes, depth+1) {
			return true
		}
		der = rest
	}
	return false
}
