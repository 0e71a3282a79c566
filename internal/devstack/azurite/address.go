package azurite

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strconv"
)

// AccountName is the name of the i-th storage account.
func AccountName(i int) string { return "account" + strconv.Itoa(i) }

// accountKey makes a key that differs per account. It guards nothing: Azurite
// listens on loopback and its data is a temporary folder.
func accountKey(i int) string {
	sum := sha256.Sum256([]byte("azurite " + AccountName(i)))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// ConnectionString is what an Azure client or a Functions setting needs to
// reach the i-th storage account.
func (s *Server) ConnectionString(i int) string {
	name := AccountName(i)
	return fmt.Sprintf("DefaultEndpointsProtocol=%s;AccountName=%s;AccountKey=%s;"+
		"BlobEndpoint=%s;QueueEndpoint=%s/%s;TableEndpoint=%s/%s;",
		s.scheme(), name, accountKey(i), s.BlobURL(i), s.address(s.Ports.Queue), name, s.address(s.Ports.Table), name)
}

// BlobURL is where the i-th storage account keeps its blobs, for clients that
// sign in with a token.
func (s *Server) BlobURL(i int) string { return s.address(s.Ports.Blob) + "/" + AccountName(i) }

// QueueURL is where its queues are, and TableURL its tables.
func (s *Server) QueueURL(i int) string { return s.address(s.Ports.Queue) + "/" + AccountName(i) }

// TableURL: see QueueURL.
func (s *Server) TableURL(i int) string { return s.address(s.Ports.Table) + "/" + AccountName(i) }

func (s *Server) address(port int) string { return fmt.Sprintf("%s://127.0.0.1:%d", s.scheme(), port) }

func (s *Server) scheme() string {
	if s.opts.CertFile != "" {
		return "https"
	}
	return "http"
}

// prober is a client that trusts the certificate that the services were given,
// whoever has signed it.
func (s *Server) prober() (*http.Client, error) {
	if s.opts.CertFile == "" {
		return &http.Client{Transport: &http.Transport{}}, nil
	}
	text, err := os.ReadFile(s.opts.CertFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read %s: no PEM certificate in it", s.opts.CertFile)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}, nil
}
