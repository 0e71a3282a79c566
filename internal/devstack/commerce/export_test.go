package commerce

import (
	"io"
	"strings"
)

// Codes returns every code that a rule can refuse a record with.
func Codes() []string {
	var out []string
	for _, r := range rules {
		out = append(out, r.code)
	}
	return append(out, "NotOneLine", "DuplicateField", "UnknownField", "MissingField", "WrongType")
}

// Refusal returns the code with which raw, which must be valid JSON, would be
// refused, or "".
func Refusal(raw []byte) string {
	if _, bad := parseRecord(raw); bad != nil {
		return bad.code
	}
	return ""
}

// ResourceParts is resourceParts.
func ResourceParts(uri string) (group, provider string) { return resourceParts(uri) }

// IsCanonical is isCanonical.
func IsCanonical(text string) bool { return isCanonical(text) }

// CheckFault reads a fault order.
func CheckFault(body []byte) error {
	_, err := decodeFault(body)
	return err
}

// Price returns the rate of a meter on a usage day by the given sheet, or by the
// embedded one when csv is empty.
func Price(csv, meterID, usageDate string) (rate, note string, found bool, err error) {
	if csv == "" {
		csv = priceSheet
	}
	s, err := parseSheet(io.Reader(strings.NewReader(csv)))
	if err != nil {
		return "", "", false, err
	}
	p, found := s.on(meterID, usageDate)
	return p.rateText, p.note, found, nil
}

// SetPrices puts another price sheet under a server.
func (s *Server) SetPrices(csv string) error {
	prices, err := parseSheet(strings.NewReader(csv))
	s.prices = prices
	return err
}
