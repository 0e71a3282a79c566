package cli

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Sent is a row as its stack sent it, under the name of what it is.
type Sent struct {
	Cut    bool            `json:"cut,omitempty"`    // only the beginning of the row is there
	Row    json.RawMessage `json:"row,omitempty"`    // the row, where it is JSON
	Text   string          `json:"text,omitempty"`   // the row, where it is other text
	Base64 []byte          `json:"base64,omitempty"` // the row, where it is no text
}

// SentRow is a row by its bytes, which it does not copy.
func SentRow(row []byte, cut bool) Sent {
	switch {
	case !cut && json.Valid(row) && utf8.Valid(row):
		return Sent{Row: row}
	case utf8.Valid(row):
		return Sent{Cut: cut, Text: string(row)}
	}
	return Sent{Cut: cut, Base64: row}
}

// Bytes are the bytes of the row.
func (s Sent) Bytes() []byte { return bytes.Join([][]byte{s.Row, []byte(s.Text), s.Base64}, nil) }
