package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"stackusage/agent/neterr"
	"stackusage/agent/signin"
	"stackusage/shared/landing"
)

func (e *examination) storageSignIn(ctx context.Context) Result {
	if e.parts.StorageSignIn == nil {
		return ok("by the account's key, without signing in")
	}
	if err := e.parts.StorageSignIn(ctx); err != nil {
		return explainSignIn("storage.signIn", err)
	}
	return ok(e.parts.Config.Storage.SignIn.Method)
}

func (e *examination) container() *container.Client {
	return e.parts.Storage.ServiceClient().NewContainerClient(e.parts.Config.Storage.Container)
}

func body(text string) io.ReadSeekCloser { return streaming.NopCloser(strings.NewReader(text)) }

const probeText = "stackusage-agent doctor was here\n"

// create puts a probe the way that an hour is put and returns its name.
func (e *examination) create(ctx context.Context) (probe string, r Result) {
	probe = landing.ProbePrefix + time.Now().UTC().Format("20060102T150405Z") + "-" + rand.Text()[:12]
	_, err := e.container().NewBlockBlobClient(probe).Upload(ctx, body(probeText), &blockblob.UploadOptions{
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}},
	})
	if err != nil {
		return probe, e.explainCreate(err)
	}
	return probe, ok(probe)
}

func (e *examination) explainCreate(err error) Result {
	conf := e.parts.Config.Storage
	var answer *azcore.ResponseError
	var refused *signin.Error
	if errors.As(err, &refused) {
		return explainSignIn("storage.signIn", err)
	}
	if !errors.As(err, &answer) {
		return failed("storage does not take a blob: "+brief(neterr.Bare(err)), "Try again; if it stays so, look at the network between here and storage.")
	}
	told := fmt.Sprintf(" (%d %s)", answer.StatusCode, answer.ErrorCode)
	switch answer.ErrorCode {
	case "ContainerNotFound", "ContainerBeingDeleted":
		return failed("the container is missing"+told,
			"The registration of the stack in Azure makes it: deploy that, or make the container by hand, without public access. Check cloudId and storage.account if it is there.")
	case "AuthorizationPermissionMismatch", "InsufficientAccountPermissions":
		return failed("permission is missing: this identity may not create blobs"+told,
			"Give it a role with Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action on the container. A new assignment takes up to ten minutes.")
	case "AuthorizationFailure":
		return failed("the storage account's network rules keep this machine out"+told, "Add this machine's address, or its proxy's, to the account's firewall, or reach it by a private endpoint (storage.blobServiceUri).")
	case "InvalidAuthenticationInfo", "AuthenticationFailed", "NoAuthenticationInformation":
		advice := "Check that storage.signIn.tenantId is the directory of the subscription that the account is in, and this machine's clock."
		if e.parts.StorageSignIn == nil {
			advice = "Check the account's key in the variable " + conf.ConnectionStringEnv + ", and this machine's clock."
		}
		return failed("storage does not believe who signs in"+told, advice)
	case "AccountIsDisabled":
		return failed("the storage account is disabled"+told, "Look at the subscription that it is in.")
	}
	if answer.StatusCode >= http.StatusInternalServerError || answer.StatusCode == http.StatusTooManyRequests {
		return failed("storage is out of order or busy"+told, "Wait and try again: the agent does so by itself, and keeps hours until then.")
	}
	return failed("storage rejects the blob"+told, "Check storage.account or storage.blobServiceUri, and that the account has a blob service.")
}

// createOnly tries with the probe what an agent needs no right for.
func (e *examination) createOnly(ctx context.Context, probe string) Result {
	c := e.container()
	b := c.NewBlockBlobClient(probe)
	var allowed, unclear []string
	for _, right := range []struct {
		name string
		try  func() error
	}{
		{"overwrite", func() error { _, err := b.Upload(ctx, body(probeText+"again\n"), nil); return err }},
		{"read", func() error {
			resp, err := b.DownloadStream(ctx, nil)
			if err == nil {
				resp.Body.Close()
			}
			return err
		}},
		{"list", func() error {
			_, err := c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: to.Ptr(probe), MaxResults: to.Ptr[int32](1)}).NextPage(ctx)
			return err
		}},
		{"delete", func() error { _, err := b.Delete(ctx, nil); return err }},
	} {
		err := right.try()
		var answer *azcore.ResponseError
		switch {
		case err == nil:
			allowed = append(allowed, right.name)
		case errors.As(err, &answer) && answer.StatusCode == http.StatusForbidden:
		case errors.As(err, &answer) && answer.ErrorCode == "BlobImmutableDueToPolicy":
			// The container refuses it to everybody.
		case answer != nil:
			unclear = append(unclear, fmt.Sprintf("%s (%d %s)", right.name, answer.StatusCode, answer.ErrorCode))
		default:
			unclear = append(unclear, right.name+" ("+brief(neterr.Bare(err))+")")
		}
	}
	switch {
	case len(allowed) > 0 && e.parts.StorageSignIn == nil:
		return warning("more rights than needed: "+strings.Join(allowed, ", "), "An account's key allows everything: it is for an emulator. In Azure, let the agent sign in (storage.signIn).")
	case len(allowed) > 0:
		return warning("more rights than needed: "+strings.Join(allowed, ", "),
			"Leave this identity only Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action on the container: who takes over this machine could otherwise change or read what was uploaded.")
	case len(unclear) > 0:
		return warning("whether it has more rights than needed is not clear: "+strings.Join(unclear, ", "), "Try again.")
	}
	return ok("overwrite, read, list and delete are denied")
}
