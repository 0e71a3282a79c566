package saved

import "io"

// EachAnswered goes through the rows of a saved answer of at most 1 MiB.
func EachAnswered(in io.Reader, row func([]byte) error) error { return eachAnswered(in, 1<<20, row) }
