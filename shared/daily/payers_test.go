package daily_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/daily"
)

func TestPayers(t *testing.T) {
	const (
		one, two, own = "09065051cfe94fcfb90c87f2af292fc9", "11111111cfe94fcfb90c87f2af292fc9", "22222222cfe94fcfb90c87f2af292fc9"
		contoso       = "dbab3982-796f-4d03-9908-044c08aef8a2"
		fabrikam      = "5f3c1d2e-796f-4d03-9908-044c08aef8a2"
		pays          = "e09a4e93-29a7-4eba-a6d4-76202383f07f"
	)
	mapped := map[string]string{contoso: pays}
	head := func(tenants map[string]string) daily.PartialHeader {
		return daily.PartialHeader{Tenants: tenants, ProviderSubscriptions: []string{own}}
	}
	for name, tt := range map[string]struct {
		heads []daily.PartialHeader
		want  map[string]string
	}{
		"no hour":                              {nil, nil},
		"a tenant that is mapped, in any form": {[]daily.PartialHeader{head(map[string]string{"09065051-CFE9-4FCF-B90C-87F2AF292FC9": "DBAB3982-796F-4D03-9908-044C08AEF8A2", two: fabrikam})}, map[string]string{one: pays}},
		"the latest hour decides":              {[]daily.PartialHeader{head(map[string]string{one: contoso, two: fabrikam}), head(map[string]string{one: fabrikam, two: contoso})}, map[string]string{two: pays}},
		"a deleted subscription keeps its last known tenant": {[]daily.PartialHeader{head(map[string]string{one: contoso}), head(map[string]string{one: ""}), head(nil)}, map[string]string{one: pays}},
		"the stamp's own are nobody's":                       {[]daily.PartialHeader{head(map[string]string{own: contoso})}, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, daily.Payers(mapped, tt.heads)); diff != "" {
				t.Errorf("payers (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("nobody is mapped", func(t *testing.T) {
		if got := daily.Payers(nil, []daily.PartialHeader{head(map[string]string{one: contoso})}); got != nil {
			t.Errorf("%v", got)
		}
	})
}
