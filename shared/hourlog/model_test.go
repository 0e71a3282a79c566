package hourlog_test

import ()

// The model of one reported hour with one usage day: file A counts, B is an
// agent's other file, Y a corrected blob of A. Every actor does one storage
// request at a time; all interleavings are explored, with a crash of each actor
// at any request, after which it comes again or never. What the actors do is what
// Exclude, AskTakeOver, AskCorrect, TakeOver, CopyQuarantine, Dismiss and
// daybook.Begin do, in their order; the variants leave out one step each, and must fail.

const (
	fileNoneM, fileAM, fileBM, fileYM, leavingM = 0, 1, 2, 3, 4 // in the pointer; leaving: "-"

	// left: it counted once; waits: it did, and its hour is not registered any more.
	verdictNone, verdictCounted, verdictOut, verdictLeft, verdictWaits = 0, 1, 2, 3, 4

	lineNone, lineRejected, lineDismissed = 0, 1, 2
)

// world is everything that is stored, and where each actor is.
type world struct {
	inputs                       uint8 // files with an input, as bits
	counts, excluded, challenger uint8
	byEnd                        bool
	verdict, line                [4]uint8 // by file; line is a rejected row that nobody fixes
	mark, stated                 bool     // the day is marked open, and has a revision
	revision                     uint8    // files in the last revision, as bits
	crashes                      uint8    // that may still be
	acked                        bool     // an operator was told that the row is dismissed
	written                      bool     // the row was dismissed on the file that counted
	died                         bool     // somebody who redrives died
	fixed                        bool     // Y counts the row: its redrive named no rows, and the rules take all
	actors                       [4]modelActor
}

type modelActor struct {
	kind           actorKind
	pc, a, b       uint8 // a, b: what it has read
	row, last      bool  // the pointer or mark, and the last revision, are still the version that it read
	ended, pending bool
	empty          bool // no file of the day counts or ever did
}

type actorKind uint8

const (
	nobody actorKind = iota
	redrives
	redrivesAll
	supersedes
	excludes
	excludesByEnd
	readmits
	dismisses
	closes
)

func bit(file uint8) uint8 {
	if file == fileNoneM {
		return 0
	}
	return 1 << (file - 1)
}

// variants leave out a step that carries the proof.
type variants struct {
	noMark, noLeaving, noAnnouncement, copyFirst, noSecondCopy, noSecondLook, emptyIsDone bool

	lookByWhoBegan bool // whoever finishes a redrive does not look for rows that were dismissed
}

// step does actor i's next request in w.
func (v variants) step(w world, i int) world {
	a := &w.actors[i]
	switch a.kind {
	case redrives:
		v.redrive(&w, a)
	case redrivesAll:
		v.redriveAll(&w, a)
	case supersedes:
		v.takeOver(&w, a, fileBM, 0)
	case readmits:
		v.readmit(&w, a)
	case excludes, excludesByEnd:
		v.exclude(&w, a)
	case dismisses:
		v.dismiss(&w, a)
	case closes:
		v.close(&w, a)
	}
	if a.ended {
		*a = modelActor{kind: a.kind, ended: true}
	}
	return w
}

// ask is the transaction by which a file becomes the challenger; it is repeated
// until nobody was in between, which makes it one step.
func (w *world) ask(a *modelActor, file uint8, may bool) {
	switch {
	case w.challenger == file: // on its way: joined
		a.pc++
	case w.counts == file || w.challenger != fileNoneM || !may:
		a.ended = true
	default:
		w.challenger = file
		w.moved()
		if file < leavingM && w.verdict[file] == verdictNone {
			w.verdict[file] = verdictOut
		}
		a.pc++
	}
}

// takeOver is asking and TakeOver, from pc at on.
func (v variants) takeOver(w *world, a *modelActor, file, at uint8) {
	switch a.pc - at {
	case 0:
		w.ask(a, file, true)
	case 1: // the claim
		if a.ended = w.challenger != file; !a.ended {
			a.row = true
			a.pc++
		}
	case 2:
		w.inputs |= bit(file)
		a.pc++
	case 3:
		w.touch(v.noMark)
		a.pc++
	case 4:
		if !a.row {
			a.pc = at + 1
			return
		}
		for _, leaves := range []uint8{w.counts, w.excluded} {
			if leaves != fileNoneM {
				w.verdict[leaves] = verdictLeft
			}
		}
		w.counts, w.excluded, w.challenger, w.byEnd = file, fileNoneM, fileNoneM, false
		w.verdict[file] = verdictCounted
		w.moved()
		a.pc++
		a.ended = true
	}
}

// touch gives the day's mark a new version.
func (w *world) touch(not bool) {
	if not {
		return
	}
	w.mark = true
	for i := range w.actors {
		if a := &w.actors[i]; a.kind == closes {
			a.row = false
		}
	}
}

// moved gives the pointer a new version.
func (w *world) moved() {
	for i := range w.actors {
		if a := &w.actors[i]; a.kind != closes {
			a.row = false
		}
	}
}

func (v variants) redrive(w *world, a *modelActor) {
	copied := func(from, to uint8) { // reads the row of A, then writes that of Y
		switch a.pc {
		case from:
			a.b = w.line[fileAM]
			a.pc++
		default:
			w.line[fileYM] = max(w.line[fileYM], a.b)
			a.pc = to
		}
	}
	begin, first := uint8(0), uint8(1)
	if v.copyFirst {
		begin, first = 2, 0
	}
	switch {
	case a.pc == begin:
		if w.counts == fileYM { // somebody did it
			a.pc = 7
			return
		}
		w.ask(a, fileYM, w.counts == fileAM)
	case a.pc == first || a.pc == first+1:
		copied(first, first+2)
	case a.pc < 7:
		if v.takeOver(w, a, fileYM, 2); a.ended && w.counts == fileYM {
			a.ended = v.noSecondCopy
			a.pc = 7
		}
	default:
		if copied(7, 9); a.pc == 9 {
			a.ended = true
		}
	}
}

func (v variants) exclude(w *world, a *modelActor) {
	switch a.pc {
	case 0:
		if a.kind == excludesByEnd && w.counts != fileNoneM && w.challenger < leavingM && w.challenger != fileNoneM {
			w.challenger = fileNoneM // what was to take its place cannot either
		}
		if v.noLeaving {
			a.ended = w.counts == fileNoneM || w.challenger != fileNoneM
			a.pc++
			return
		}
		w.ask(a, leavingM, w.counts != fileNoneM)
		if !a.ended && a.pc == 1 {
			w.byEnd = a.kind == excludesByEnd
		}
	case 1:
		if a.ended = w.challenger != leavingM && !v.noLeaving; !a.ended {
			a.row = true
			a.pc++
		}
	case 2:
		w.touch(v.noMark)
		a.pc++
	case 3:
		if !a.row {
			a.pc = 1
			return
		}
		w.verdict[w.counts] = verdictLeft
		if w.byEnd {
			w.verdict[w.counts] = verdictWaits
		}
		w.excluded, w.counts, w.challenger = w.counts, fileNoneM, fileNoneM
		w.moved()
		a.ended = true
	}
}

// readmit lets a file count again that only an end took out.
func (v variants) readmit(w *world, a *modelActor) {
	if a.pc == 0 {
		a.b = w.excluded
		if a.ended = !w.byEnd || w.excluded == fileNoneM; a.ended {
			return
		}
		if v.noAnnouncement {
			a.row, a.pc = true, 2
			return
		}
	}
	v.takeOver(w, a, a.b, 0)
}

func (v variants) dismiss(w *world, a *modelActor) {
	switch a.pc {
	case 0:
		a.a = w.counts
		a.ended = w.challenger != fileNoneM || w.counts == fileNoneM || w.line[w.counts] == lineNone
		a.pc++
	case 1:
		w.line[a.a] = lineDismissed
		w.written = w.written || w.counts == a.a
		a.pc++
	case 2:
		switch {
		case v.noSecondLook || w.counts == a.a && w.challenger == fileNoneM:
			w.acked, a.ended = true, true
		case w.counts != a.a:
			a.pc = 0
		default: // the hour is about to move: the operator is told to come again
			a.ended = true
		}
	}
}
