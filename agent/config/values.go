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

// UnmarshalText reads on and off.
func (o *OnOff) UnmarshalText(text []byte) error {
	if *o = string(text) == "on"; !*o && string(text) != "off" {
		return errors.New("neither on nor off")
	}
	return nil
}

// parseDuration reads what time.ParseDuration reads, and whole days: 30d.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if digits, ok := strings.CutSuffix(text, "d"); ok {
		var days uint64
		days, err = strconv.ParseUint(digits, 10, 16)
		d = time.Duration(days) * 24 * time.Hour
	}
	if err != nil || d > 36_500*24*time.Hour {
		return 0, errors.New("not a time: write 90s, 5m, 36h or 30d")
	}
	return d, nil
}
