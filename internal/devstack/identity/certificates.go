package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// authority is a throw-away certificate authority.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := template("devstack authority", time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0))
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	cert, err := sign(template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &authority{cert, key}, nil
}

// CA returns the authority that has signed the server's certificate, in PEM.
func (s *Server) CA() []byte { return CertificatePEM(s.ca.cert) }

// ServerCertificate makes a certificate for another stand-in: for 127.0.0.1,
// localhost and the given names, signed by CA. Both results are PEM.
func (s *Server) ServerCertificate(hosts ...string) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificate: %w", err)
	}
	template := template("devstack", time.Now().Add(-time.Hour), time.Now().AddDate(0, 3, 0))
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = append([]string{"localhost"}, hosts...)
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	signed, err := sign(template, s.ca.cert, &private.PublicKey, s.ca.key)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificate: %w", err)
	}
	return CertificatePEM(signed), KeyPEM(private), nil
}

// ClientCertificate makes what an operator makes for an application: a
// certificate signed by its own key, valid between the two times.
func ClientCertificate(name string, notBefore, notAfter time.Time) (*x509.Certificate, *rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificate: %w", err)
	}
	template := template(name, notBefore, notAfter)
	cert, err := sign(template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificate: %w", err)
	}
	return cert, key, nil
}

// CertificatePEM writes a certificate as PEM.
func CertificatePEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// KeyPEM writes a private key as PEM (PKCS #8).
func KeyPEM(key crypto.PrivateKey) []byte {
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err) // RSA and ECDSA keys only come here
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

func template(name string, notBefore, notAfter time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    notBefore, NotAfter: notAfter,
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(raw)
}
