package commerce

import (
	"encoding/json"
	"fmt"
	"net/http"
	"unicode/utf8"

	"stackusage/internal/devstack/commerce/record"
)

// decodeBatch splits a batch into the bytes of its records, exactly as they
// stand between the commas. It fails for what makes the request unacceptable as a
// whole; what is wrong with one record does not show here.
func decodeBatch(body []byte, maxRecords int) ([]json.RawMessage, error) {
	bad := func(message string) ([]json.RawMessage, error) { return nil, invalidBatch(message) }
	// Validity first: json.Decoder alone would let trailing garbage and
	// invalid UTF-8 pass, and a record's bytes must be JSON when they are
	// handed out again.
	if !utf8.Valid(body) || !json.Valid(body) {
		return bad("the body is not one JSON text in UTF-8")
	}
	fields, err := record.Members(body)
	if err != nil {
		return bad(err.Error())
	}
	if len(fields) != 1 || fields[0].Name != "records" {
		return bad(`the body must be an object with the one field "records"`)
	}
	records, err := record.Elements(fields[0].Value)
	switch {
	case err != nil:
		return bad("records is not a list")
	case len(records) == 0:
		return bad("records is empty")
	case len(records) > maxRecords:
		return nil, &problem{http.StatusRequestEntityTooLarge, "TooManyRecords",
			fmt.Sprintf("the batch has %d records, at most %d are taken", len(records), maxRecords)}
	}
	return records, nil
}

func invalidBatch(message string) error {
	return &problem{http.StatusBadRequest, "InvalidBatch", message}
}
