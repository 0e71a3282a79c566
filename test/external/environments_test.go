package external

import (
	"os"
	"testing"
)

// TestEnvironments installs the foreign tools, which takes minutes: make
// external-environments does it beside other work.
func TestEnvironments(t *testing.T) {
	if os.Getenv("STACKUSAGE_EXTERNAL") == "" {
		t.Skip("make check-external runs this, with Python 3.12 or later")
	}
	for _, name := range []string{"azurecli", "readers", "validator"} {
		if _, err := environment(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
