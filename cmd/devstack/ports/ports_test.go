package ports

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"stackusage/internal/devstack/loopback"
)

func TestPortsInTheirOrder(t *testing.T) {
	p, err := From(Default, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range p.list() {
		if *e.port != Default+i {
			t.Errorf("the %s is at %d", e.what, *e.port)
		}
	}
	// The help of devstack up has them.
	if p.AccountPage != 18400 || p.Console != 18401 || p.Commerce != 18402 || p.Host != 18403 || p.Storage.Blob != 18404 || p.Storage.Table != 18406 || p.Stacks[2] != 18409 {
		t.Errorf("%+v, %+v", p, *p.Storage)
	}
}

func TestPortsThatCannotBe(t *testing.T) {
	for _, first := range []int{-1, 1, 80, 1023, 32761, 32768, 70000} {
		if _, err := From(first, 1); err == nil || !strings.Contains(err.Error(), "must be 0, or from 1024 to 32760") {
			t.Errorf("from %d: %v", first, err)
		}
	}
	for _, first := range []int{0, 1024, 32760} {
		if _, err := From(first, 1); err != nil {
			t.Errorf("from %d: %v", first, err)
		}
	}
}

// TestAPortThatIsTaken takes one after the other of some free ports.
func TestAPortThatIsTaken(t *testing.T) {
	first, err := loopback.Port()
	if err != nil {
		t.Fatal(err)
	}
	p, err := From(first, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range p.list() {
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(*e.port)))
		if err != nil {
			continue // of another program: as good
		}
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), "is taken") || !strings.Contains(err.Error(), "--port 0") {
			t.Errorf("the port of the %s is taken: %v", e.what, err)
		}
		ln.Close()
	}
	free, err := From(0, 1)
	if err != nil || free.Check() != nil {
		t.Errorf("ports of the kernel's: %v", err)
	}
}
