package reconcile

import (
	"stackusage/shared/reconcile/saved"
	"stackusage/shared/usage"
)

// readFolder puts the stack's own numbers in the place of those that landed, and
// enters where the two differ, hour by hour.
func (r *run) readFolder() error {
	for key := range r.books {
		r.books[key].stack = map[usage.Hour]usage.Quantity{}
	}
	for hour := r.o.From.First(); hour < r.o.To.Next().First(); hour++ {
		said, err := r.readAnswer(hour)
		if err != nil {
			return err
		}
		landed := r.landedIn(hour)
		for key, q := range said {
			add(r.books.of(key).stack, hour, q)
		}
		kind, detail := HourDiffers, hour.String()
		if why := r.whyOut(hour); why != "" {
			kind, detail = HourNotAccepted, hour.String()+", "+why
		}
		for key, q := range landed {
			r.books.enter(key, hour.Day(), kind, detail, q.Sub(said[key]))
			delete(said, key)
		}
		for key, q := range said {
			r.books.enter(key, hour.Day(), kind, detail, neg(q))
		}
	}
	return nil
}

// landedIn is what the file says that counts for a reported hour, rejected rows
// included.
func (r *run) landedIn(hour usage.Hour) map[meterKey]usage.Quantity {
	id, there := r.counting[hour]
	if !there {
		return nil
	}
	return r.blobs[id].all()
}

// all is what the file says of each meter, rejected rows included.
func (s *blobSums) all() map[meterKey]usage.Quantity {
	all := map[meterKey]usage.Quantity{}
	for key, byHour := range s.counted {
		for _, q := range byHour {
			add(all, key, q)
		}
	}
	for key, byCode := range s.refused {
		for _, q := range byCode {
			add(all, key, q)
		}
	}
	return all
}

// readAnswer is what the stack says of a reported hour, by meter.
func (r *run) readAnswer(hour usage.Hour) (map[meterKey]usage.Quantity, error) {
	sums := newBlobSums(r.own)
	if err := saved.EachRow(r.o.Stack, hour, func(row []byte) error { return sums.take(r, row, "", hour) }); err != nil {
		return nil, err
	}
	if sums.unreadable > 0 {
		r.note("reported hour %s: %s of the saved response without a meter or a quantity that can be read; neither number includes them", hour.String(), usage.Count(sums.unreadable, "row"))
	}
	return sums.all(), nil
}
