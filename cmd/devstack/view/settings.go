package view

import (
	"fmt"
	"io"
	"strings"
)

// Setting is an environment variable of stackusage.
type Setting struct{ Name, Value string }

// PrintExports prints the lines that make stackusage, in a folder, work in another shell.
func PrintExports(out io.Writer, folder string, settings []Setting) {
	fmt.Fprintln(out, "To use stackusage with it, in another shell:")
	for _, s := range settings {
		fmt.Fprintf(out, "  export %s=%s\n", s.Name, quoted(s.Value))
	}
	fmt.Fprintf(out, "  export PATH=%s:\"$PATH\"\n", quoted(folder))
}

// quoted is a text as one word of a POSIX shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
