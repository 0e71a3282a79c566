package identity

import (
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"stackusage/internal/devstack/loopback"
)

// refusal is an error of OAuth 2.0, with a code of Entra's or words of AD FS's.
type refusal struct {
	status      int
	kind        string // such as invalid_client
	code        int    // AADSTS; 0 in AD FS
	description string
}

// entra is a refusal in Entra's words.
func entra(status int, kind string, code int, message string) *refusal {
	return &refusal{status, kind, code, fmt.Sprintf("AADSTS%d: %s", code, message)}
}

func unknownTenant(id string) *refusal {
	return entra(http.StatusBadRequest, "invalid_tenant", 90002, "Tenant '"+id+"' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.")
}

// refusal is a refusal in the words of the tenant's kind. AD FS does not tell a
// client why it was refused, only its administrator's log.
func (t Tenant) refusal(status int, kind string, code int, message string) *refusal {
	switch {
	case t.ID != ADFS:
		return entra(status, kind, code, message)
	case kind == "invalid_resource":
		return &refusal{http.StatusBadRequest, kind, 0, "MSIS9602: The received 'resource' parameter is invalid. The authorization server can not find a registered resource with the specified identifier."}
	case kind == "invalid_scope":
		return &refusal{http.StatusBadRequest, kind, 0, "MSIS9601: The received 'scope' parameter is invalid."}
	}
	return &refusal{http.StatusBadRequest, "invalid_client", 0, "MSIS9622: Client authentication failed. Please verify the credential provided for client authentication is valid."}
}

func (s *Server) refuse(w http.ResponseWriter, e *refusal) {
	body := map[string]any{"error": e.kind, "error_description": e.description}
	if e.code != 0 {
		trace, correlation, at := uuid.NewString(), uuid.NewString(), s.clock().UTC().Format("2006-01-02 15:04:05Z")
		body["error_description"] = e.description + " Trace ID: " + trace + " Correlation ID: " + correlation + " Timestamp: " + at
		body["error_codes"], body["timestamp"], body["trace_id"], body["correlation_id"] = []int{e.code}, at, trace, correlation
	}
	loopback.JSON(w, e.status, body)
}
