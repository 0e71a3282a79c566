package hourlog_test

import (
	"testing"

	"stackusage/internal/devstack/azurite/azuritetest"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }
