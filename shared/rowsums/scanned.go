package rowsums

import "stackusage/shared/usage"

// Accept says whether a row of this location and hour may count.
type Accept func(location string, hour usage.Hour) bool

// AddScanned takes in a row that was scanned. It is false if the row is bad or accept
// does not take it, or if only usage.ParseRecord can tell. A row whose texts are those of
// one that is in memory costs no look at them, and no memory.
func (s *Sums) AddScanned(r usage.Scanned, accept Accept) (added bool, err error) {
	p, ok := r.Parts()
	if !ok {
		return false, nil
	}
	n := headLength(p.ResourceURI)
	t := &s.texts
	t.head = append(append(t.head[:0], asWritten), r.SubscriptionID...)
	t.head = append(append(t.head, end), p.ResourceURI[:n]...)
	t.tail = append(t.tail[:0], asWritten)
	for _, text := range [...][]byte{r.MeterID, p.Location, p.Tags, p.AdditionalInfo} {
		t.tail = append(append(t.tail, text...), end)
	}
	// Texts that were checked hold no zeros and no ones, so that no other row has these.
	if s.table.add(t.head, p.ResourceURI[n:], t.tail, r.Hour, r.Quantity) {
		return true, nil
	}
	if s.table.knowsSides() {
		ok = p.CheckURI()
	} else {
		ok = r.Check(p)
	}
	if !ok || !accept(string(p.Location), r.Hour) {
		return false, nil
	}
	return true, s.insert(r.Quantity)
}
