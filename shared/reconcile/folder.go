package reconcile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"stackusage/shared/usage"
)

// maxAnswer bounds a saved answer, in bytes: a page of the usage API.
const maxAnswer = 256 << 20

// answerFile is the name of the saved answer for a reported hour.
func answerFile(hour usage.Hour) string { return hour.Start().Format("2006-01-02T15") + ".json" }

// checkFolder wants an answer for every hour of the days: what the stack says of
// a day is all of them or nothing.
func checkFolder(folder fs.FS, from, to usage.Day) error {
	var missing []string
	for hour := from.First(); hour < to.Next().First(); hour++ {
		switch _, err := fs.Stat(folder, answerFile(hour)); {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, answerFile(hour))
		case err != nil:
			return fmt.Errorf("look for saved answer: %w", err)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d saved answers are not in the folder, the first is %s: ask the stack's usage API for these reported hours, one file each",
		len(missing), (to-from+1)*24, missing[0])
}

// readFolder puts the stack's own numbers in the place of those that landed, and
// enters where the two differ, hour by hour.
func (r *run) readFolder() error {
	for key := range r.books {
		r.books[key].stack = map[usage.Hour]usage.Quantity{}
	}
	for hour := r.o.From.First(); hour < r.o.To.Next().First(); hour++ {
		said, err := r.readAnswer(hour)
		if err != nil {
			return fmt.Errorf("saved answer %s: %w", answerFile(hour), err)
		}
		landed := r.landedIn(hour)
		for key, q := range said {
			add(r.books.of(key).stack, hour, q)
		}
		kind, detail := HourDiffers, hour.Point()
		if why := r.whyOut(hour); why != "" {
			kind, detail = HourOut, hour.Point()+", "+why
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
	file, err := r.o.Stack.Open(answerFile(hour))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	sums := newBlobSums(r.own)
	if err := eachAnswered(file, maxAnswer, func(row []byte) error { return sums.take(r, row, "", hour) }); err != nil {
		return nil, err
	}
	if sums.unreadable > 0 {
		r.note("reported hour %s: %d rows of the saved response have no meter or no quantity that can be read; neither number includes them", hour.Point(), sums.unreadable)
	}
	return sums.all(), nil
}

// Errors of a saved answer.
var (
	errAnswerShape = errors.New(`not an answer of the usage API: {"value":[row, ...]}`)
	errAnswerCut   = errors.New("cut short: the JSON has no end")
	errAnswerPage  = errors.New("it ends with a page that has a nextLink: append the next page to it")
)

// eachAnswered goes through the rows of a saved answer, {"value":[row, ...]}, as
// a stream. An answer of several pages is one behind the other, the last without
// nextLink. A row's bytes are only valid until the next one.
func eachAnswered(in io.Reader, limit int64, row func([]byte) error) error {
	limited := &io.LimitedReader{R: in, N: limit + 1}
	err := decodeAnswer(limited, row)
	switch {
	case limited.N <= 0:
		return fmt.Errorf("longer than %d bytes", limit)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errAnswerCut
	}
	return err
}

func decodeAnswer(in io.Reader, row func([]byte) error) error {
	head := make([]byte, 3)
	n, err := io.ReadFull(in, head)
	if err != nil {
		return err
	}
	head = bytes.TrimPrefix(head[:n], []byte("\xef\xbb\xbf")) // as some tools save it
	dec := json.NewDecoder(io.MultiReader(bytes.NewReader(head), in))
	more, err := decodePage(dec, row)
	for err == nil && more {
		if more, err = decodePage(dec, row); errors.Is(err, io.EOF) {
			return errAnswerPage
		}
	}
	if err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("something follows its last page: %w", errAnswerShape)
	}
	return nil
}

// decodePage reads one page and says whether it names a next one. io.EOF: there
// is no page.
func decodePage(dec *json.Decoder, row func([]byte) error) (more bool, err error) {
	if err := delim(dec, '{'); err != nil {
		return false, err
	}
	seen := map[string]bool{}
	for dec.More() {
		name, err := key(dec, seen)
		if err != nil {
			return false, err
		}
		switch name {
		case "value":
			err = decodeRows(dec, row)
		case "nextLink":
			var link string
			err = dec.Decode(&link)
			more = link != ""
		default:
			var other json.RawMessage
			err = dec.Decode(&other)
		}
		if err != nil {
			return false, noEOF(err)
		}
	}
	if err := delim(dec, '}'); err != nil {
		return false, noEOF(err)
	}
	if !seen["value"] {
		return false, errAnswerShape
	}
	return more, nil
}

// key reads a name, which may come once in a page.
func key(dec *json.Decoder, seen map[string]bool) (string, error) {
	token, err := dec.Token()
	if err != nil {
		return "", noEOF(err)
	}
	name, _ := token.(string) // of an object: json.Decoder has no other
	if seen[name] {
		return "", fmt.Errorf("a name comes twice: %w", errAnswerShape)
	}
	seen[name] = true
	return name, nil
}

// noEOF is err in the middle of a page, where its end is no end.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func decodeRows(dec *json.Decoder, row func([]byte) error) error {
	if err := delim(dec, '['); err != nil {
		return err
	}
	var raw json.RawMessage
	for dec.More() {
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		if err := row(raw); err != nil {
			return err
		}
	}
	return delim(dec, ']')
}

func delim(dec *json.Decoder, want json.Delim) error {
	token, err := dec.Token()
	if err == nil && token != want {
		err = errAnswerShape
	}
	return err
}
