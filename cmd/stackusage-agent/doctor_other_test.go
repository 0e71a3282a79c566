//go:build !linux

package main

import "testing"

func onBadDisks(t *testing.T, _ *ward) { t.Skip("disks are mounted for this test on Linux only") }
