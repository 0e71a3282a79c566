package usage

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkResourceURI wants an Azure Resource Manager id:
// /subscriptions/{guid}[/resourceGroups/{name}]/providers/{namespace}/{type}/{name}...
func checkResourceURI[T string | []byte](uri T) error {
	if len(uri) > maxResourceURI {
		return fmt.Errorf("it has %d bytes; at most %d are read", len(uri), maxResourceURI)
	}
	if hasControl(uri) {
		return errors.New("holds a control character")
	}
	return checkSegments(uri)
}

// checkSegments is checkResourceURI but for the bytes.
func checkSegments[T string | []byte](uri T) error {
	before, rest, _ := cut(uri)
	subscriptions, rest, _ := cut(rest)
	guid, rest, more := cut(rest)
	if isGUID, _ := scanGUID(guid); len(before) > 0 || !strings.EqualFold(string(subscriptions), "subscriptions") || !isGUID {
		return errors.New("not an Azure Resource Manager id: it must start with /subscriptions/{guid}/")
	}
	var heads [3]T // the first segments of the rest
	count := 0
	for ; more; count++ {
		var segment T
		switch segment, rest, more = cut(rest); string(segment) {
		case "":
			return errors.New("not an Azure Resource Manager id: it has an empty segment")
		case ".", "..": // it would name another resource to whoever resolves it
			return errors.New("not an Azure Resource Manager id: it has a segment of dots")
		}
		if count < len(heads) {
			heads[count] = segment
		}
	}
	providers := heads[0]
	if count >= 2 && strings.EqualFold(string(heads[0]), "resourceGroups") {
		providers, count = heads[2], count-2
	}
	if count < 4 || !strings.EqualFold(string(providers), "providers") {
		return errors.New("not an Azure Resource Manager id: it must end in /providers/{namespace}/{type}/{name}")
	}
	return nil
}

// cut splits a path at its first slash.
func cut[T string | []byte](path T) (before, after T, found bool) {
	for i := range len(path) {
		if path[i] == '/' {
			return path[:i], path[i+1:], true
		}
	}
	return path, path[len(path):], false
}

// hasControl is strings.ContainsFunc(text, unicode.IsControl), fast for ASCII.
func hasControl[T string | []byte](text T) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case c >= utf8.RuneSelf:
			return strings.ContainsFunc(string(text[i:]), unicode.IsControl)
		case c < ' ' || c == 0x7f:
			return true
		}
	}
	return false
}

// ResourceSubscription is the subscription inside a resource URI that
// ParseRecord let pass, in normal form.
func ResourceSubscription(uri string) string {
	_, rest, _ := strings.Cut(uri, "/")
	_, rest, _ = strings.Cut(rest, "/")
	id, _, _ := strings.Cut(rest, "/")
	return NormalGUID(id)
}
