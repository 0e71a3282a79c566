package daily

import (
	"iter"

	"stackusage/shared/spill"
)

// Merge adds up sorted sequences of sums into one sorted sequence in which each
// key of a day stands once for each of its hours. It holds some sums of each sequence.
func Merge(sequences ...iter.Seq2[Sum, error]) iter.Seq2[Sum, error] {
	return spill.Merge(sequences, compare, (*Sum).add)
}

// MergeKeys is Merge in which each key of a day stands once.
func MergeKeys(sequences ...iter.Seq2[Sum, error]) iter.Seq2[Sum, error] {
	return spill.Merge(sequences, compareKeys, (*Sum).add)
}

// Merge is Merge as far as the rules tell hours apart, which they do on a day of several
// parts: on any other each key stands once.
func (r Rules) Merge(sequences ...iter.Seq2[Sum, error]) iter.Seq2[Sum, error] {
	if len(r.Earlier) > 0 {
		return Merge(sequences...)
	}
	return MergeKeys(sequences...)
}
