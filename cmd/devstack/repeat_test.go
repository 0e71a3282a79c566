package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"stackusage/internal/devstack/blobevents"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
)

// repeats: the agent run twice with two spools at once, every event delivered twice
// more, and the handler killed in the middle change no byte of what commerce accepted
// in a calm run.
func repeats(t *testing.T, want []byte) {
	s := testSite(t, options{scenario: "documented-test"})
	killed := make(chan int)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { killed <- killTwice(ctx, s) }()
	again := make(chan error, 1)
	go func() { again <- s.agent(t.Context(), s.local, "second-agent", s.stack.First(), s.stack.End()) }()
	if err := s.runAgent(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-again; err != nil {
		t.Fatal(err)
	}
	announceAgain(t, s)
	announceAgain(t, s)
	waitForBlobs(t, s)
	billed(t, s)
	cancel()
	if n := <-killed; n != 2 {
		t.Errorf("the handler was killed %d times; the test means nothing without 2", n)
	}
	if got := readFile(t, filepath.Join(s.o.out, "commerce-records.ndjson")); !bytes.Equal(got, want) {
		t.Errorf("commerce accepted %d bytes; %d in a calm run", len(got), len(want))
	}
	verdicts := map[string]int{}
	for _, row := range readLines[map[string]any](t, s, "tables/UsageHours.ndjson") {
		if _, pointer := row["acceptedFile"]; !pointer {
			verdicts[row["verdict"].(string)]++
		}
	}
	hours := int(s.stack.End().Sub(s.stack.First()) / time.Hour)
	if verdicts["accepted"] != hours || verdicts["conflict"]+verdicts["rejected"] != 0 {
		t.Errorf("verdicts %v; want %d counted and otherwise duplicates", verdicts, hours)
	}
}

// killTwice kills the handler while it works. A third kill within half an hour
// would stop the host, here as in Azure.
func killTwice(ctx context.Context, s *site) (n int) {
	for n < 2 {
		select {
		case <-ctx.Done():
			return n
		case <-time.After(700 * time.Millisecond):
			if s.host.Stats().Functions["IngestHour"].Invocations > 0 && s.host.KillHandler() {
				n++
			}
		}
	}
	<-ctx.Done()
	return n
}

// announceAgain puts one more event for each landed blob on the queue.
func announceAgain(t *testing.T, s *site) {
	t.Helper()
	blobs, err := azblob.NewClientFromConnectionString(s.settings["LandingStorage"], nil)
	if err != nil {
		t.Fatal(err)
	}
	queue, err := azqueue.NewQueueClientFromConnectionString(s.settings["UsageStorage"], queue.Landed, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	w := &blobevents.Watcher{Blobs: blobs, Queue: queue, Prefix: landing.Container(""), Every: time.Hour}
	w.Run(ctx)
}

// waitForBlobs waits until every landed blob has a verdict.
func waitForBlobs(t *testing.T, s *site) {
	t.Helper()
	blobs := landedBlobs(t, s)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		ingested, _, err := s.hours(t.Context())
		if err == nil && ingested == len(blobs) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d blobs have a verdict: %v", ingested, len(blobs), err)
		}
		if err := s.sweep(t.Context()); err != nil {
			t.Log(err) // the handler may be down just now
		}
	}
}

func landedBlobs(t *testing.T, s *site) (names []string) {
	t.Helper()
	client, err := azblob.NewClientFromConnectionString(s.settings["LandingStorage"], nil)
	if err != nil {
		t.Fatal(err)
	}
	pager := client.NewListBlobsFlatPager(landing.Container(cloudID), nil)
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range page.Segment.BlobItems {
			if !landing.Aside(*b.Name) {
				names = append(names, *b.Name)
			}
		}
	}
	return names
}

// TestRunFailsWithoutBuild: the first thing a newcomer gets wrong.
func TestRunFailsWithoutBuild(t *testing.T) {
	err := run(t.Context(), []string{"run", "--app", filepath.Join(t.TempDir(), "nothing"), "--out", t.TempDir()}, os.Getenv, new(bytes.Buffer), new(bytes.Buffer))
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("make stage")) {
		t.Errorf("error %v; want one that says make stage", err)
	}
}
