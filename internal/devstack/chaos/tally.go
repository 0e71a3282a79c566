package chaos

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"stackusage/internal/devstack/storagefaults"
)

// Tally is what happened in a run, as faults.json has it.
type Tally struct {
	Seed   uint64                          `json:"seed"`
	Passed bool                            `json:"passed"`
	Faults map[string]int                  `json:"faults"`
	Writes map[string]storagefaults.Counts `json:"writes"` // of the handler, by kind
}

// Print writes the table of faults by kind.
func (t Tally) Print(out io.Writer) {
	total := storagefaults.Counts{Given: map[storagefaults.Action]int{}}
	fmt.Fprintf(out, "\nSeed %d: what happened to the handlers' writes\n\n%-36s %6s %7s %7s %7s %7s %7s %7s\n", t.Seed,
		"", "", "not", "not st.", "stored,", "stored,", "killed", "killed")
	row := func(name string, k storagefaults.Counts) {
		fmt.Fprintf(out, "%-36s %6d", name, k.Seen)
		for _, a := range storagefaults.Actions() {
			fmt.Fprintf(out, " %7d", k.Given[a])
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "%-36s %6s %7s %7s %7s %7s %7s %7s\n", "write", "seen", "stored", "ever", "failed", "f. ever", "before", "after")
	for _, name := range slices.Sorted(maps.Keys(t.Writes)) {
		k := t.Writes[name]
		row(name, k)
		total.Seen += k.Seen
		for a, n := range k.Given {
			total.Given[a] += n
		}
	}
	row("total", total)
	fmt.Fprintf(out, "\n%-60s %6s\n", "other faults", "times")
	for _, kind := range slices.Sorted(maps.Keys(t.Faults)) {
		fmt.Fprintf(out, "%-60s %6d\n", kind, t.Faults[kind])
	}
}
