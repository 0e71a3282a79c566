package functionhost

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
)

// hostsContainer is where the host keeps what it must remember.
const hostsContainer = "azure-webjobs-hosts"

// blobStatus keeps the status of timers where the real host does.
type blobStatus struct {
	client *azblob.Client
	hostID string
}

var _ statusStore = (*blobStatus)(nil)

func (o Options) newBlobStatus(conn connection, hostID string) (*blobStatus, error) {
	opts := &azblob.ClientOptions{ClientOptions: o.clientOptions()}
	var c *azblob.Client
	var err error
	if conn.text != "" {
		c, err = azblob.NewClientFromConnectionString(conn.text, opts)
	} else if uri, unknown := conn.uri("blob", o.Identity); unknown != nil {
		err = unknown
	} else {
		c, err = azblob.NewClient(uri, o.Identity, opts)
	}
	if err != nil {
		return nil, fmt.Errorf("open timer status: %w", err)
	}
	return &blobStatus{c, hostID}, nil
}

func (s *blobStatus) path(fn string) string {
	return "timers/" + s.hostID + "/Host.Functions." + fn + "/status"
}

func (s *blobStatus) load(ctx context.Context, fn string) (*timerStatus, error) {
	buf := make([]byte, 4096)
	n, err := s.client.DownloadBuffer(ctx, hostsContainer, s.path(fn), buf, nil)
	if bloberror.HasCode(err, bloberror.BlobNotFound, bloberror.ContainerNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load timer status of %s: %w", fn, err)
	}
	var status timerStatus
	if err := json.Unmarshal(buf[:n], &status); err != nil {
		return nil, fmt.Errorf("load timer status of %s: %w", fn, err)
	}
	return &status, nil
}

func (s *blobStatus) save(ctx context.Context, fn string, status *timerStatus) error {
	body := []byte(status.json())
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

// hostID names this app's part of the container: what the settings say, the
// site's name, or the machine and the app's folder.
func hostID(set settings, appDir string) string {
	if id := set.get("AzureFunctionsWebHost__hostid"); id != "" {
		return strings.ToLower(id)
	}
	if site := strings.ToLower(set.get("WEBSITE_SITE_NAME")); site != "" {
		return strings.TrimRight(site[:min(len(site), 32)], "-")
	}
	machine, err := os.Hostname()
	if err != nil {
		machine = "localhost"
	}
	sum := sha256.Sum256([]byte(appDir))
	return strings.ToLower(machine) + "-" + hex.EncodeToString(sum[:4])
}
