package spill

// Behind does steps in their order on another goroutine, one behind whoever asks for them.
// Whoever asks waits for the last one, also after an error: until then its memory is in
// use. Not safe for concurrent use.
type Behind struct{ step chan ended }

type ended struct {
	err      error
	panicked any
}

// Do waits for the step before, and begins another one unless that failed.
func (b *Behind) Do(step func() error) error {
	if err := b.Wait(); err != nil {
		return err
	}
	b.step = make(chan ended, 1)
	go func(to chan<- ended) {
		var e ended
		defer func() {
			e.panicked = recover() // for whoever asked
			to <- e
		}()
		e.err = step()
	}(b.step)
	return nil
}

// Wait waits for the last step. Its error is returned once.
func (b *Behind) Wait() error {
	if b.step == nil {
		return nil
	}
	e := <-b.step
	b.step = nil
	if e.panicked != nil {
		panic(e.panicked)
	}
	return e.err
}
