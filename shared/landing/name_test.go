package landing_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"stackusage/shared/landing"
)

func TestParseNameReadsWhatNameWrites(t *testing.T) {
	for _, text := range []string{"2019/12/10/00", "2019/12/10/19", "2020/02/29/23", "0000/01/01/00", "9999/12/31/23"} {
		name, err := landing.ParseName("landing-"+cloudID, text+"-0123456789abcdef.ndjson.gz")
		if err != nil {
			t.Fatal(err)
		}
		if name.Container() != "landing-"+cloudID || name.Blob() != text+"-0123456789abcdef.ndjson.gz" || name.CloudID != cloudID {
			t.Errorf("%s became %s", text, name)
		}
	}
}

func TestNameOfCarriesTheFilesHash(t *testing.T) {
	hour, err := landing.ParseName("landing-"+cloudID, "2019/12/10/19-0123456789abcdef.ndjson.gz")
	if err != nil {
		t.Fatal(err)
	}
	name := landing.NameOf(cloudID, hour.Hour, sha256.Sum256([]byte("abc")))
	if name.Blob() != "2019/12/10/19-ba7816bf8f01cfea.ndjson.gz" {
		t.Errorf("got %s", name.Blob())
	}
}

func TestParseNameRefusesWhatNameWouldNotWrite(t *testing.T) {
	const container, blob = "landing-" + cloudID, "2019/12/10/19-0123456789abcdef.ndjson.gz"
	tests := []struct{ name, container, blob string }{
		{"an empty container", "", blob},
		{"another container", "partials", blob},
		{"a container without registration", "landing-", blob},
		{"a registration in upper case", "landing-" + strings.ToUpper(cloudID), blob},
		{"a registration without dashes", "landing-" + strings.ReplaceAll(cloudID, "-", ""), blob},
		{"a container with a path", container + "/..", blob},
		{"a container that climbs", "landing-../../partials-43a4-903d-eb74f8258b01", blob},
		{"a prefix before the container", "x" + container, blob},

		{"an empty blob name", container, ""},
		{"a slash in front", container, "/" + blob},
		{"a path that climbs", container, "../" + blob},
		{"a path that climbs in between", container, "2019/../10/19-0123456789abcdef.ndjson.gz"},
		{"backslashes", container, strings.ReplaceAll(blob, "/", `\`)},
		{"an escaped slash", container, "2019%2F12/10/19-0123456789abcdef.ndjson.gz"},
		{"a doubled slash", container, "2019//12/10/19-0123456789abcdef.ndjson.gz"},
		{"the agent's self-test", container, landing.ProbePrefix + blob},
		{"a folder too many", container, "x/" + blob},
		{"a line break after", container, blob + "\n"},
		{"a NUL", container, blob[:10] + "\x00" + blob[11:]},
		{"another suffix", container, strings.TrimSuffix(blob, ".gz")},
		{"a suffix after the suffix", container, blob + ".gz"},
		{"a hash in upper case", container, "2019/12/10/19-0123456789ABCDEF.ndjson.gz"},
		{"a hash that is short", container, "2019/12/10/19-0123456789abcde.ndjson.gz"},
		{"a hash that is long", container, "2019/12/10/19-0123456789abcdef0.ndjson.gz"},
		{"a hash that is none", container, "2019/12/10/19-0123456789abcdeg.ndjson.gz"},
		{"hour 24", container, "2019/12/10/24-0123456789abcdef.ndjson.gz"},
		{"month 13", container, "2019/13/10/19-0123456789abcdef.ndjson.gz"},
		{"a day that does not exist", container, "2019/02/29/19-0123456789abcdef.ndjson.gz"},
		{"a year of five digits", container, "12019/12/10/19-0123456789abcdef.ndjson.gz"},
		{"an hour of one digit", container, "2019/12/10/9-0123456789abcdef.ndjson.gz"},
		{"digits of another script", container, "٢٠١٩/12/10/19-0123456789abcdef.ndjson.gz"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if name, err := landing.ParseName(tt.container, tt.blob); err == nil {
				t.Errorf("read as %s", name)
			}
		})
	}
}
