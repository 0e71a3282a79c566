package agent

import "slices"

// suspicion is a refusal that may be of one hour or file alone, or of all: the newest
// one that is left shows which, so it is tried next.
type suspicion struct{ blame func() }

// raise suspects the i-th of todo, whom blame blames if another one is taken, and puts
// the newest next. Only the first refusal is suspected, and only if there is another.
func raise[T any](s *suspicion, todo []T, i int, blame func()) (next []T, raised bool) {
	if s.blame != nil || i+1 >= len(todo) {
		return todo, false
	}
	s.blame = blame
	newest := todo[len(todo)-1]
	return slices.Insert(todo[:len(todo)-1], i+1, newest), true
}

// confirm blames who is suspected: another one was taken.
func (s *suspicion) confirm() {
	if s.blame != nil {
		s.blame()
		s.blame = nil
	}
}
