package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Names is the flag that gives tenants and subscriptions names.
type Names struct{ path string }

// Flag adds --names.
func (n *Names) Flag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&n.path, "names", "", "`file` with names of tenants and subscriptions (CSV with columns id and name)")
}

// Read reads names by GUID in lower case with dashes; none without the flag.
func (n *Names) Read() (map[string]string, error) {
	if n.path == "" {
		return nil, nil
	}
	names, err := ReadFile(n.path, parseNames)
	if err != nil {
		return nil, fmt.Errorf("--names: %w", err)
	}
	return names, nil
}

func parseNames(in io.Reader) (map[string]string, error) {
	rows := csv.NewReader(in)
	rows.FieldsPerRecord = 2
	header, err := rows.Read()
	if err != nil || strings.TrimPrefix(header[0], "\ufeff") != "id" || header[1] != "name" {
		return nil, errors.New("the first line must be id,name")
	}
	names := map[string]string{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := rows.FieldPos(0)
		id, err := GUID("id", row[0])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if _, twice := names[id]; twice {
			return nil, fmt.Errorf("line %d: id %s has two names", line, id)
		}
		names[id] = row[1]
	}
}

// Args is the flag again, for another command.
func (n *Names) Args() []string {
	if n.path == "" {
		return nil
	}
	return []string{"--names", n.path}
}
