package commerce

import (
	"strings"

	"stackusage/internal/devstack/commerce/rating"
	"stackusage/internal/devstack/commerce/record"
)

// Codes returns every code that a rule can reject a record with.
func Codes() []string { return record.Codes() }

// Refusal returns the code with which raw, which must be valid JSON, would be
// rejected, or "".
func Refusal(raw []byte) string {
	if _, bad := record.Parse(raw); bad != nil {
		return bad.Code
	}
	return ""
}

// ResourceParts is resourceParts.
func ResourceParts(uri string) (group, provider string) { return resourceParts(uri) }

// IsCanonical is record.IsCanonical.
func IsCanonical(text string) bool { return record.IsCanonical(text) }

// CheckFault reads a fault order.
func CheckFault(body []byte) error {
	_, err := decodeFault(body)
	return err
}

// Price returns the rate of a meter on a usage day by the given sheet, or by the
// published one when csv is empty.
func Price(csv, meterID, usageDate string) (rate, note string, found bool, err error) {
	s, err := rating.Published()
	if csv != "" {
		s, err = rating.ParseSheet(strings.NewReader(csv))
	}
	if err != nil {
		return "", "", false, err
	}
	rate, note, found = s.Price(meterID, usageDate)
	return rate, note, found, nil
}

// SetPrices puts another price sheet under a server.
func (s *Server) SetPrices(csv string) error {
	prices, err := rating.ParseSheet(strings.NewReader(csv))
	s.prices = prices
	return err
}
