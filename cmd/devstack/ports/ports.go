// Package ports says what of devstack up listens where, so that addresses and settings stay
// the same from one start to the next.
package ports

import (
	"fmt"
	"net"
	"strconv"

	"stackusage/internal/devstack/azurite"
)

// Default is the first port of devstack up. From 32768 on the kernel gives ports to clients.
const Default = 18400

const last = 32767

// Ports are the loopback ports. Zero ones are chosen by the kernel, as is every port that is
// not among them: those are of parts that only devstack itself calls.
type Ports struct {
	AccountPage, Console, Commerce, Host int
	Storage                              *azurite.Ports // nil: free ones
	Stacks                               []int          // of the usage APIs
}

// From are the ports from first on; all zero if first is.
func From(first, stacks int) (Ports, error) {
	p := Ports{Stacks: make([]int, stacks)}
	if first == 0 {
		return p, nil
	}
	p.Storage = new(azurite.Ports)
	all := p.list()
	if first < 1024 || first+len(all)-1 > last {
		return Ports{}, fmt.Errorf("--port %d: must be 0, or from 1024 to %d", first, last-len(all)+1)
	}
	for i, into := range all {
		*into.port = first + i
	}
	return p, nil
}

// Stack is the port of the i-th stack.
func (p Ports) Stack(i int) int {
	if i < len(p.Stacks) {
		return p.Stacks[i]
	}
	return 0
}

// entry is a port to be set or read.
type entry struct {
	port *int
	what string
}

// list has the ports in their order.
func (p *Ports) list() []entry {
	all := []entry{{&p.AccountPage, "account page"}, {&p.Console, "console"}, {&p.Commerce, "commerce"}, {&p.Host, "Functions host"},
		{&p.Storage.Blob, "blob storage"}, {&p.Storage.Queue, "queue storage"}, {&p.Storage.Table, "table storage"}}
	for i := range p.Stacks {
		what := "stack"
		if len(p.Stacks) > 1 {
			what = fmt.Sprint("stack ", i+1)
		}
		all = append(all, entry{&p.Stacks[i], what})
	}
	return all
}

// Check finds out whether every port is free, before anything starts.
func (p *Ports) Check() error {
	if p.Storage == nil {
		return nil
	}
	for _, e := range p.list() {
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(*e.port)))
		if err != nil {
			return fmt.Errorf("port %d, for the %s, is taken: another devstack up may run; --port names other ports, and --port 0 takes free ones: %w", *e.port, e.what, err)
		}
		if err := ln.Close(); err != nil {
			return err
		}
	}
	return nil
}
