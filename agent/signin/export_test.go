package signin

import "time"

// RetryAtOnce takes the wait out of retries.
func RetryAtOnce() { retryDelay = time.Millisecond }

var (
	ParseCertificate = parseCertificate
	AuthorityOf      = func(endpoint, tenant string) (string, string, bool, error) {
		a, err := authorityOf(endpoint, tenant)
		if err != nil {
			return "", "", false, err
		}
		return a.host.String(), a.tenant, a.public, nil
	}
)

// ReadRefusal sorts an issuer's answer.
func ReadRefusal(status int, text []byte, method string) *Error {
	e := &Error{Status: status}
	e.read(text, method)
	return e
}
