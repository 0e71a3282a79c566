package linefile

// plain are the characters that stand for themselves in a JSON string.
var plain = func() (set [256]bool) {
	for c := ' '; c < 0x80; c++ {
		set[c] = c != '"' && c != '\\'
	}
	return set
}()

// AppendString appends s as a JSON string, with the bytes of Encode. Quotes and
// backslashes, of which tags are full, are escaped here; a text with control characters,
// or others than those of ASCII, goes to encoding/json.
func AppendString(b []byte, s string) []byte {
	begin, from := len(b), 0
	b = append(b, '"')
	for i := range len(s) {
		c := s[i]
		if plain[c] {
			continue
		}
		if c != '"' && c != '\\' {
			text, err := Encode(s)
			if err != nil { // a string: cannot happen
				panic("linefile: encode string: " + err.Error())
			}
			return append(b[:begin], text...)
		}
		b = append(append(b, s[from:i]...), '\\', c)
		from = i + 1
	}
	return append(append(b, s[from:]...), '"')
}
