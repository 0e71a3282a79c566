package verify

// Doors for tests that hold the readers against those of the pipeline.

// ReadRow reads one row.
func ReadRow(text []byte, reported int64) (shown [6]string, at int64, quantity, code string) {
	u, code := readRow(text, hour(reported))
	if code != "" {
		return shown, 0, "", code
	}
	return u.Shown, int64(u.Hour), decimal(u.Quantity), ""
}
