package spill_test

import (
	"errors"
	"fmt"
	"testing"

	"stackusage/shared/spill"
)

func TestBehindKeepsTheOrderAndHandsOnErrors(t *testing.T) {
	var b spill.Behind
	var done []int // steps follow each other: nothing guards it
	for i := range 100 {
		if err := b.Do(func() error { done = append(done, i); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	full := errors.New("the disk is full")
	if err := b.Do(func() error { return full }); err != nil {
		t.Fatal(err)
	}
	if err := b.Do(func() error { t.Error("done after an error"); return nil }); err != full {
		t.Errorf("%v, want %v", err, full)
	}
	if err := b.Wait(); err != nil {
		t.Errorf("the error comes twice: %v", err)
	}
	for i, n := range done {
		if i != n {
			t.Fatalf("%v", done)
		}
	}
	if len(done) != 100 {
		t.Errorf("%d of 100 steps", len(done))
	}
}

func TestBehindHandsOnAPanic(t *testing.T) {
	var b spill.Behind
	defer func() {
		if p := recover(); fmt.Sprint(p) != "broken" {
			t.Errorf("%v", p)
		}
	}()
	if err := b.Do(func() error { panic("broken") }); err != nil {
		t.Fatal(err)
	}
	_ = b.Wait()
	t.Error("no panic")
}
