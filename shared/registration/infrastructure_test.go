package registration_test

import (
	"strings"
	"testing"

	"stackusage/shared/registration"
)

const secondProvider = "6a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b16"

func TestListHash(t *testing.T) {
	want := registration.ListHash([]string{provider, secondProvider})
	for _, same := range [][]string{
		{secondProvider, provider}, {strings.ToUpper(provider), secondProvider, provider}, {strings.ReplaceAll(provider, "-", ""), secondProvider},
	} {
		if got := registration.ListHash(same); got != want {
			t.Errorf("%v: %s, want %s", same, got, want)
		}
	}
	if len(want) != 16 || want == registration.ListHash(nil) || want == registration.ListHash([]string{provider}) {
		t.Error(want)
	}
}
