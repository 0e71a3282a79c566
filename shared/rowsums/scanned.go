package rowsums

import "stackusage/shared/usage"

// AddKnown takes in a row that was scanned if a row with the same texts is in memory, so
// that those texts were checked. It allocates nothing.
func (s *Sums) AddKnown(r usage.Scanned) bool {
	return s.table.add(s.table.scanned(r), r.Quantity)
}

// AddScanned takes in a row that was scanned, and whose texts shown was read from.
func (s *Sums) AddScanned(r usage.Scanned, shown usage.Shown) error {
	identity := s.table.scanned(r)
	if s.table.add(identity, r.Quantity) {
		return nil
	}
	return s.insert(identity, usage.Record{Shown: shown, Hour: r.Hour, Quantity: r.Quantity})
}

// scanned is the identity of a row that was scanned. The GUIDs hold no zero bytes.
func (t *table) scanned(r usage.Scanned) []byte {
	b := t.identity(ofScan, r.Hour)
	b = append(append(b, r.SubscriptionID...), end)
	b = append(append(b, r.MeterID...), end)
	return append(b, r.Instance...)
}
