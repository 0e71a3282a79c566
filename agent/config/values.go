package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes.
type Size int64

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1},
}

var errSize = errors.New("not a size: write 512MiB or 10GiB")

// UnmarshalText reads whole numbers of B, KiB, MiB, GiB or TiB.
func (s *Size) UnmarshalText(text []byte) error {
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(string(text), unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil || int64(n) > math.MaxInt64/unit.bytes {
			return errSize
		}
		*s = Size(int64(n) * unit.bytes)
		return nil
	}
	return errSize
}

// String is the size in the largest unit that has it whole.
func (s Size) String() string {
	for _, unit := range []int{3, 2, 1, 0} {
		if u := sizeUnits[unit]; s != 0 && int64(s)%u.bytes == 0 {
			return fmt.Sprintf("%d%s", int64(s)/u.bytes, u.suffix)
		}
	}
	return fmt.Sprintf("%dB", int64(s))
}

// OnOff is a switch.
type OnOff bool

// UnmarshalText reads on and off, and the numbers that stood here before, of which
// 0 was off.
func (o *OnOff) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 7)
	switch {
	case string(text) == "on", err == nil && n > 0:
		*o = true
	case string(text) == "off", err == nil:
		*o = false
	default:
		return errors.New("neither on nor off")
	}
	return nil
}

// parseDuration reads what time.ParseDuration reads, and whole days: 30d.
func parseDuration(text string) (time.Duration, error) {
	if digits, ok := strings.CutSuffix(text, "d"); ok {
		days, err := strconv.ParseUint(digits, 10, 16)
		if err != nil || days > 36_500 {
			return 0, errors.New("not a time: write 90s, 5m, 36h or 30d")
		}
		return time.Duration(days) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errors.New("not a time: write 90s, 5m, 36h or 30d")
	}
	return d, nil
}
