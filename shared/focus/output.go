package focus

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// output is a file that has its name only when all of it is written. It is created by
// the first write.
type output struct {
	path   string
	file   *os.File
	buffer *bufio.Writer
	csv    *csv.Writer
}

func newOutput(path string) *output { return &output{path: path} }

func (o *output) writer() (io.Writer, error) {
	if o.file != nil {
		return o.buffer, nil
	}
	var err error
	if o.file, err = os.CreateTemp(filepath.Dir(o.path), filepath.Base(o.path)+".*.tmp"); err != nil {
		return nil, err
	}
	o.buffer = bufio.NewWriterSize(o.file, 1<<20)
	o.csv = csv.NewWriter(o.buffer)
	return o.buffer, nil
}

func (o *output) row(fields ...string) error {
	if _, err := o.writer(); err != nil {
		return err
	}
	return o.csv.Write(fields)
}

func (o *output) flush() error {
	o.csv.Flush()
	return errors.Join(o.csv.Error(), o.buffer.Flush())
}

// reopen reads from the start what was written and flushed.
func (o *output) reopen() (io.Reader, error) {
	_, err := o.file.Seek(0, io.SeekStart)
	return bufio.NewReaderSize(o.file, 1<<20), err
}

// finish has the file on the disk, unless there was an error before, and closes it.
func (o *output) finish(err error) error {
	if o.file == nil {
		return err
	}
	if err == nil {
		err = errors.Join(o.flush(), o.file.Chmod(0o644), o.file.Sync())
	}
	return errors.Join(err, o.file.Close())
}

// publish gives the file its name; without a file, an older one of the name goes.
func (o *output) publish(files *[]string) error {
	if o.file == nil {
		if err := os.Remove(o.path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := os.Rename(o.file.Name(), o.path); err != nil {
		return err
	}
	*files = append(*files, o.path)
	return nil
}

// discard removes a file that has no name yet.
func (o *output) discard() {
	if o.file != nil {
		_ = os.Remove(o.file.Name()) // gone if it has its name
	}
}
