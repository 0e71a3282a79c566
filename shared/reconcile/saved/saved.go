// Package saved reads a folder of saved responses of a stack's usage API, one file
// YYYY-MM-DDTHH.json for each reported hour.
package saved

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

// Check wants an answer for every hour of the days: what the stack says of
// a day is all of them or nothing.
func Check(folder fs.FS, from, to usage.Day) error {
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

// EachRow goes through the rows of a reported hour. A row's bytes are only valid until
// the next one.
func EachRow(folder fs.FS, hour usage.Hour, row func([]byte) error) error {
	file, err := folder.Open(answerFile(hour))
	if err == nil {
		defer file.Close()
		err = eachAnswered(file, maxAnswer, row)
	}
	if err != nil {
		return fmt.Errorf("saved answer %s: %w", answerFile(hour), err)
	}
	return nil
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
