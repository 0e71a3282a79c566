package hourlog_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
)

// redriveAll is a redrive that named no rows; the rules take the one that there is. It
// is withdrawn where the row was dismissed after it was read.
func (v variants) redriveAll(w *world, a *modelActor) {
	switch a.pc {
	case 0: // the rows; a dismissed one is left out
		a.ended = w.counts != fileAM || w.line[fileAM] == lineDismissed
		a.pc++
	case 1:
		if w.ask(a, fileYM, w.counts == fileAM); !a.ended {
			w.fixed = true
		}
	case 2:
		if a.pc = 4; w.line[fileAM] == lineDismissed {
			a.pc = 3
		}
	case 3:
		if w.challenger == fileYM {
			w.challenger = fileNoneM
			w.moved()
		}
		a.ended = true
	default:
		v.takeOver(w, a, fileYM, 3)
	}
}

func (v variants) close(w *world, a *modelActor) {
	switch a.pc {
	case 0:
		a.row = true
		a.pc++
	case 1:
		a.last = true
		a.pc++
	case 2:
		a.a = w.inputs
		a.pc++
	case 3: // the pointer: what counts, and what may change
		counts := bit(w.counts)
		a.b = a.a & counts
		a.pending = a.b != 0 && w.challenger != fileNoneM || w.challenger < leavingM && a.a&bit(w.challenger) != 0
		a.empty = counts == 0 && a.a&bit(w.excluded) == 0 || v.emptyIsDone
		a.a &^= counts | bit(w.excluded)
		if a.pc++; a.b != counts {
			a.pc = 8 // another file counts than was listed
		}
	case 8:
		if a.pc = 4; !a.row || !w.mark {
			*a = modelActor{kind: closes}
		}
	case 4: // the rows of the files that the pointer does not name
		for f := uint8(fileAM); f < leavingM; f++ {
			if a.a&bit(f) != 0 {
				a.pending = a.pending || w.verdict[f] != verdictOut && w.verdict[f] != verdictLeft
				a.empty = a.empty && (w.verdict[f] != verdictLeft || v.emptyIsDone)
			}
		}
		a.a = 0
		a.pc++
	case 5:
		a.pc++
		if w.revision == a.b && (w.stated || a.b == 0 && a.empty) {
			return // stated already, or nothing to state
		}
		if !a.last {
			*a = modelActor{kind: closes}
			return
		}
		for i := range w.actors {
			w.actors[i].last = false
		}
		w.revision, w.stated = a.b, true
	case 6:
		if w.mark && a.row && !a.pending && w.revision == a.b && (w.stated || a.empty) {
			w.mark = false
		}
		*a = modelActor{kind: closes}
	}
}

func (w world) rest() bool {
	for _, a := range w.actors {
		if a.kind != nobody && !a.ended && (a.kind != closes || a.pc != 0) {
			return false
		}
	}
	return true
}

// wrong says what does not hold in w.
func (w world) wrong() string {
	counted := 0
	for _, v := range w.verdict {
		if v == verdictCounted {
			counted++
		}
	}
	switch rest := w.rest(); {
	case w.revision&(w.revision-1) != 0:
		return "a revision has two files of the hour"
	case counted > 1 || counted == 1 != (w.counts != fileNoneM) || w.verdict[w.counts] != verdictCounted && w.counts != fileNoneM:
		return "the pointer and the rows differ"
	case rest && !w.mark && w.revision != bit(w.counts):
		return "the day is closed, and stated with another file than counts"
	case w.acked && w.fixed && w.counts == fileYM:
		return "a row that was dismissed counts"
	case rest && w.acked && w.line[w.counts] == lineRejected:
		return "a row was said to be dismissed, and is not"
	case rest && w.written && !w.died && w.challenger == fileNoneM && w.line[w.counts] == lineRejected:
		return "a dismissal that was written is lost"
	}
	return ""
}

// finish does what Sweep brings about: what was begun is carried out, and the day closes.
func (v variants) finish(w world) string {
	kinds := map[uint8]actorKind{fileYM: redrives, fileBM: supersedes, fileAM: readmits, leavingM: excludes}
	for range 100 {
		a := modelActor{kind: closes}
		if w.challenger != fileNoneM {
			a = modelActor{kind: kinds[w.challenger], pc: 1, b: w.challenger}
			if w.challenger == w.excluded {
				a.kind = readmits
			}
			if w.fixed && w.challenger == fileYM {
				if a.kind, a.pc = redrivesAll, 2; v.lookByWhoBegan {
					a.pc = 4
				}
			}
		} else if !w.mark {
			break
		}
		for w.actors = [4]modelActor{a}; !w.actors[0].ended && (a.kind != closes || w.actors[0].pc > 0 || w.mark); {
			w = v.step(w, 0)
		}
		w.actors[0].ended = true
	}
	if w.mark || w.challenger != fileNoneM {
		return fmt.Sprintf("it never ends: %+v", w)
	}
	return w.wrong()
}

// code is what an actor is, as a number.
func (a modelActor) code() (n uint64) {
	for _, flag := range []bool{a.row, a.last, a.ended, a.pending, a.empty} {
		if n <<= 1; flag {
			n |= 1
		}
	}
	return n | uint64(a.kind)<<40 | uint64(a.pc)<<32 | uint64(a.a)<<24 | uint64(a.b)<<16
}

// alike is the same for worlds in which two actors of a kind have changed places.
func (w world) alike() world {
	slices.SortFunc(w.actors[:], func(a, b modelActor) int { return cmp.Compare(a.code(), b.code()) })
	return w
}

// explore goes through every interleaving of the actors.
func (v variants) explore(kinds ...actorKind) (states int, wrong string) {
	start := world{inputs: bit(fileAM), counts: fileAM, mark: true, crashes: 2}
	start.verdict[fileAM], start.verdict[fileBM], start.line[fileAM] = verdictCounted, verdictOut, lineRejected
	for i, k := range kinds {
		start.actors[i].kind = k
	}
	seen, todo := map[world]bool{}, []world{start}
	for len(todo) > 0 {
		w := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if w = w.alike(); seen[w] {
			continue
		}
		seen[w] = true
		if wrong = w.wrong(); wrong == "" && w.rest() {
			wrong = v.finish(w)
		}
		if wrong != "" {
			return len(seen), fmt.Sprintf("%s: %+v", wrong, w)
		}
		for i, a := range w.actors {
			if a.kind == nobody || a.ended || a.kind == closes && a.pc == 0 && !w.mark {
				continue
			}
			todo = append(todo, v.step(w, i))
			if a.pc == 0 || w.crashes == 0 {
				continue
			}
			dead := w
			dead.crashes--
			dead.died = dead.died || a.kind == redrives
			dead.actors[i] = modelActor{kind: a.kind}
			todo = append(todo, dead)
			if a.kind != closes {
				dead.actors[i].ended = true
				todo = append(todo, dead)
			}
		}
	}
	return len(seen), ""
}

func TestModelOfAnHour(t *testing.T) {
	t.Parallel()
	scenes := map[string][]actorKind{
		"two redrives":               {redrives, redrives, closes, closes},
		"a redrive and a dismissal":  {redrives, dismisses, redrives, dismisses},
		"a dismissal and a day":      {redrives, dismisses, closes, supersedes},
		"all rows and a dismissal":   {redrivesAll, dismisses, redrivesAll, dismisses},
		"all rows and a day":         {redrivesAll, dismisses, supersedes, closes},
		"a redrive and a supersede":  {redrives, supersedes, closes, closes},
		"two exclusions":             {excludes, excludesByEnd, closes, closes},
		"an exclusion and back":      {excludesByEnd, readmits, readmits, closes},
		"everybody":                  {excludesByEnd, redrives, supersedes, closes},
		"a file of an excluded hour": {excludes, supersedes, dismisses, closes},
		"an end, and another file":   {excludesByEnd, supersedes, readmits, closes},
	}
	for name, kinds := range scenes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			states, wrong := variants{}.explore(kinds...)
			t.Log(states, "states")
			if wrong != "" {
				t.Error(wrong)
			}
		})
	}
	for name, c := range map[string]struct {
		v     variants
		scene string
	}{
		"the days are not marked":                        {variants{noMark: true}, "two redrives"},
		"an exclusion does not say that it begins":       {variants{noLeaving: true}, "two exclusions"},
		"a file counts again without saying so before":   {variants{noAnnouncement: true}, "an exclusion and back"},
		"rows are copied before the hour is challenged":  {variants{copyFirst: true}, "a redrive and a dismissal"},
		"a day of which all files left is never closed":  {variants{emptyIsDone: true}, "two exclusions"},
		"rows are copied once":                           {variants{noSecondCopy: true}, "a redrive and a dismissal"},
		"whoever finishes a redrive does not look":       {variants{lookByWhoBegan: true}, "all rows and a dismissal"},
		"a dismissal does not look at the pointer again": {variants{noSecondLook: true}, "a redrive and a dismissal"},
	} {
		t.Run("without a step: "+name, func(t *testing.T) {
			t.Parallel()
			if states, wrong := c.v.explore(scenes[c.scene]...); wrong == "" {
				t.Errorf("%d states, and nothing is wrong: the step is needless, or the model does not show it", states)
			}
		})
	}
}
