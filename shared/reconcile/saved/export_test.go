package saved

import "io"

// EachDone goes through the rows of a saved answer of at most 1 MiB.
func EachDone(in io.Reader, row func([]byte) error) error { return eachAnswered(in, 1<<20, row) }
