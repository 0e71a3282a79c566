package rowsums

import "stackusage/shared/usage"

// Accept says whether a row of this location and hour may count.
type Accept func(location string, hour usage.Hour) bool

// AddScanned takes in a row that was scanned. It is false if the row is bad or accept
// does not take it, or if only usage.ParseRecord can tell. A row whose texts are those of
// one that is in memory costs no look at them, and no memory.
func (s *Sums) AddScanned(r usage.Scanned, accept Accept) (added bool, err error) {
	p, parts := r.Parts()
	var identity []byte
	if parts {
		identity = s.table.identity(ofParts, r.Hour)
		for _, text := range [...][]byte{r.SubscriptionID, p.ResourceURI, r.MeterID, p.Location, p.Tags, p.AdditionalInfo} {
			identity = append(append(identity, text...), end)
		}
	} else {
		identity = s.table.identity(ofScan, r.Hour)
		for _, text := range [...][]byte{r.SubscriptionID, r.MeterID, r.Instance} {
			identity = append(append(identity, text...), end)
		}
	}
	// Texts that were checked hold no zero bytes, so that no other row has this identity.
	if s.table.add(identity, r.Quantity) {
		return true, nil
	}
	if parts {
		if !r.Check(p) || !accept(string(p.Location), r.Hour) {
			return false, nil
		}
		return true, s.insert(identity, nil, r.Hour, r.Quantity)
	}
	shown, ok := r.Shown()
	if !ok || !accept(shown.Location, r.Hour) {
		return false, nil
	}
	return true, s.insert(identity, appendShown(nil, shown), r.Hour, r.Quantity)
}
