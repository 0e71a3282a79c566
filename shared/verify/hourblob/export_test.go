package hourblob

import (
	"io"

	"stackusage/shared/verify/evidence"
	"stackusage/shared/verify/form"
)

// ReadHour reads an hour blob, for tests that hold the reader against the pipeline's.
func ReadHour(r io.Reader, cloudID string, reported int64, sha16 string) (code, rowSet string, rows int64, err error) {
	defer func() {
		if f, is := recover().(evidence.Failure); is {
			err = f.Err
		}
	}()
	f := &File{cloudID: cloudID, Hour: form.Hour(reported), SHA16: sha16}
	f.Read(r, func(TextLine) {})
	return f.Code, f.RowSet, f.Records, err
}
