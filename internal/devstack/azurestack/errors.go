package azurestack

import (
	"net/http"
	"slices"

	"stackusage/internal/devstack/loopback"
)

// apiError is one refusal in the shape of Resource Manager:
// {"error":{"code","message","details":[]}}.
type apiError struct {
	status  int
	code    string
	message string
}

func (e *apiError) write(w http.ResponseWriter) {
	var body struct {
		Error struct {
			Code    string   `json:"code"`
			Message string   `json:"message"`
			Details []string `json:"details"`
		} `json:"error"`
	}
	body.Error.Code, body.Error.Message, body.Error.Details = e.code, e.message, []string{}
	loopback.JSON(w, e.status, body)
}

func invalidProperty(name, why string) *apiError {
	return &apiError{http.StatusBadRequest, "InvalidProperty", "The property '" + name + "' " + why + "."}
}

// checkVersion refuses a query without api-version, or with one that is not in
// known.
func checkVersion(got string, known ...string) *apiError {
	if got == "" {
		return &apiError{http.StatusBadRequest, "NoApiVersion", "The api-version query parameter is missing."}
	}
	if slices.Contains(known, got) {
		return nil
	}
	return invalidProperty("api-version", "has a value that is not supported")
}
