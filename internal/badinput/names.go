package badinput

import "strings"

// Place is a container and a blob in it, or what pretends to be.
type Place struct{ Name, Container, Blob string }

// Places are made from the place of a real hour blob; none of them is one.
func Places(container, blob string) []Place {
	hour, hash, _ := strings.Cut(blob, "-")
	replace := func(old, with string) string { return strings.Replace(blob, old, with, 1) }
	return []Place{
		{"a path that climbs", container, "../" + blob},
		{"a path that climbs out", container, "../../landing-x/" + blob},
		{"a path that climbs in between", container, replace("/", "/../")},
		{"a path that climbs behind", container, blob + "/../x"},
		{"a step in place", container, "./" + blob},
		{"an escaped climb", container, "%2e%2e/" + blob},
		{"an escaped climb in capitals", container, "%2E%2E%2F" + blob},
		{"a climb escaped twice", container, "%252e%252e%252f" + blob},
		{"an overlong climb", container, "\xc0\xae\xc0\xae/" + blob},
		{"a fullwidth climb", container, "．．／" + blob},
		{"an escaped slash", container, replace("/", "%2f")},
		{"backslashes", container, strings.ReplaceAll(blob, "/", `\`)},
		{"a drive", container, `C:\` + blob},
		{"an absolute path", container, "/" + blob},
		{"another host", container, "//example.com/" + blob},
		{"a doubled slash", container, replace("/", "//")},
		{"a division sign for a slash", container, strings.ReplaceAll(blob, "/", "\u2215")},
		{"Arabic digits", container, "٢٠١٩" + blob[4:]},
		{"fullwidth digits", container, "２" + blob[1:]},
		{"a sign in the year", container, "+" + blob[1:]},
		{"a space in the year", container, " " + blob[1:]},
		{"an hour that there is not", container, strings.TrimSuffix(hour, hour[len(hour)-2:]) + "24-" + hash},
		{"a hash in capitals", container, hour + "-" + strings.Replace(hash, hash[:16], "ABCDEFABCDEFABCD", 1)},
		{"a suffix in capitals", container, strings.ToUpper(blob)},
		{"a suffix too many", container, blob + ".gz"},
		{"a query", container, blob + "?comp=metadata"},
		{"a fragment", container, blob + "#x"},
		{"a snapshot", container, blob + "?snapshot=2019-12-10T19:00:00Z"},
		{"a line break behind", container, blob + "\n"},
		{"a NUL behind", container, blob + "\x00"},
		{"a space behind", container, blob + " "},
		{"a dot behind", container, blob + "."},
		{"an invisible character", container, replace("/", "\u200b/")},
		{"nothing", container, ""},
		{"a megabyte", container, strings.Repeat("2019/", 200_000) + blob},

		{"the registration in capitals", strings.ToUpper(container), blob},
		{"the registration's digits in capitals", "landing-" + strings.ToUpper(strings.TrimPrefix(container, "landing-")), blob},
		{"a container that climbs", container + "/..", blob},
		{"a container escaped", strings.Replace(container, "-", "%2d", 1), blob},
		{"a registration in braces", "landing-{" + strings.TrimPrefix(container, "landing-") + "}", blob},
		{"a registration without dashes", "landing-" + strings.ReplaceAll(strings.TrimPrefix(container, "landing-"), "-", ""), blob},
		{"no registration", "landing-", blob},
		{"the registration of nobody", "landing-00000000-0000-0000-0000-000000000000", blob},
		{"the app's own container", "partials", blob},
		{"the logs", "$logs", blob},
	}
}
