package main

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"stackusage/agent/blobs"
	"stackusage/agent/config"
	"stackusage/shared/landing"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestATryThatHangsLeavesRoomForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 30 * time.Minute
		tries := 0
		p := parts{storageHTTP: &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			if tries++; tries == 1 {
				<-req.Context().Done()
				return nil, req.Context().Err()
			}
			return &http.Response{StatusCode: http.StatusCreated, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(nil)), Request: req}, nil
		})}}
		p.conf.Storage = config.Storage{ConnectionStringEnv: "EMULATOR"}
		p.conf.Timeouts.Upload = limit
		mustEqual(t, nil, p.connectStorage(func(string) string {
			return "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:1/a;"
		}))
		storage := blobs.Storage{Client: p.storage, Timeout: limit}
		err := storage.Put(t.Context(), landing.Name{CloudID: cloudID, Hour: 1, SHA16: "0123456789abcdef"}, streaming.NopCloser(bytes.NewReader([]byte("hour"))))
		mustEqual(t, nil, err)
		mustEqual(t, 2, tries)
	})
}
