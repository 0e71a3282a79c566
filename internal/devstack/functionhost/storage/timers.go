package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"stackusage/internal/devstack/functionhost/app"
	"stackusage/internal/devstack/functionhost/envelope"
)

// hostsContainer is where the host keeps what it must remember.
const hostsContainer = "azure-webjobs-hosts"

// Timers keeps the status of timers where the real host does.
type Timers struct {
	client *azblob.Client
	hostID string
}

// Timers opens the status of the timers of an app.
func (a Access) Timers(conn app.Connection, hostID string) (*Timers, error) {
	opts := &azblob.ClientOptions{ClientOptions: a.clientOptions()}
	var c *azblob.Client
	var err error
	if conn.Text != "" {
		c, err = azblob.NewClientFromConnectionString(conn.Text, opts)
	} else if uri, unknown := a.uri(conn, "blob"); unknown != nil {
		err = unknown
	} else {
		c, err = azblob.NewClient(uri, a.Identity, opts)
	}
	if err != nil {
		return nil, fmt.Errorf("open timer status: %w", err)
	}
	return &Timers{c, hostID}, nil
}

func (s *Timers) path(fn string) string {
	return "timers/" + s.hostID + "/Host.Functions." + fn + "/status"
}

// Load returns nil for a timer that has none.
func (s *Timers) Load(ctx context.Context, fn string) (*envelope.TimerStatus, error) {
	buf := make([]byte, 4096)
	n, err := s.client.DownloadBuffer(ctx, hostsContainer, s.path(fn), buf, nil)
	if bloberror.HasCode(err, bloberror.BlobNotFound, bloberror.ContainerNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load timer status of %s: %w", fn, err)
	}
	var status envelope.TimerStatus
	if err := json.Unmarshal(buf[:n], &status); err != nil {
		return nil, fmt.Errorf("load timer status of %s: %w", fn, err)
	}
	return &status, nil
}

// Save replaces the status of a timer.
func (s *Timers) Save(ctx context.Context, fn string, status *envelope.TimerStatus) error {
	body := status.JSON()
	_, err := s.client.UploadBuffer(ctx, hostsContainer, s.path(fn), body, nil)
	if bloberror.HasCode(err, bloberror.ContainerNotFound) {
		_, err = s.client.CreateContainer(ctx, hostsContainer, nil)
		if err == nil || bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
			_, err = s.client.UploadBuffer(ctx, hostsContainer, s.path(fn), body, nil)
		}
	}
	if err != nil {
		return fmt.Errorf("save timer status of %s: %w", fn, err)
	}
	return nil
}

// HostID names this app's part of the container: what the settings say, or the machine
// and the app's folder.
func HostID(set app.Settings, appDir string) string {
	if id := set.Get("AzureFunctionsWebHost__hostid"); id != "" {
		return strings.ToLower(id)
	}
	machine, err := os.Hostname()
	if err != nil {
		machine = "localhost"
	}
	sum := sha256.Sum256([]byte(appDir))
	return strings.ToLower(machine) + "-" + hex.EncodeToString(sum[:4])
}
