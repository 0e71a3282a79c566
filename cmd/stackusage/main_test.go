package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/clitest"
	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/shared/table"
	"stackusage/shared/verify"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

func unset(string) string { return "" }

func TestWhereNothingAnswers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	address := "http://" + listener.Addr().String() + "/gone"
	ok(t, listener.Close())
	getenv := func(name string) string {
		if name == "UsageStorage" || name == "LandingStorage" {
			return "DefaultEndpointsProtocol=http;AccountName=gone;AccountKey=Z29uZQ==;BlobEndpoint=" + address + ";QueueEndpoint=" + address + ";TableEndpoint=" + address
		}
		return ""
	}
	var out bytes.Buffer
	err = run(t.Context(), []string{"day", "list"}, getenv, &out, &out)
	if err == nil || !strings.HasPrefix(err.Error(), "list revisions: list rows of UsageDays: ") || !strings.HasSuffix(err.Error(), "name the right storage, and that it runs") {
		t.Errorf("error %v", err)
	}
}

func TestAMistypedRegistrationIsNotVerified(t *testing.T) {
	t.Parallel()
	getenv, _ := clitest.Storage(t)
	for _, days := range []string{"", " --from 2019-12-10 --to 2019-12-11"} {
		var out bytes.Buffer
		err := run(t.Context(), strings.Fields("verify --registration "+cloudID+days), getenv, &out, &out)
		if err == nil || !strings.Contains(err.Error(), "nothing of registration "+cloudID+" is stored") || errors.Is(err, cli.ErrDifferences) {
			t.Errorf("%s: error %v\n%s", days, err, &out)
		}
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	getenv, account := clitest.Storage(t)
	t.Run("empty storage has no differences, and the columns line up", func(t *testing.T) {
		var out, errOut bytes.Buffer
		if err := run(t.Context(), []string{"verify"}, getenv, &out, &errOut); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if lines[len(lines)-1] != "nothing differs" {
			t.Errorf("output:\n%s", &out)
		}
		for _, line := range lines[:len(lines)-1] {
			if len(line) != len(lines[0]) {
				t.Errorf("columns do not line up:\n%s", &out)
			}
		}
	})
	row := table.Row{Partition: "b31316d4-de02-43a4-903d-eb74f8258b01_20191210", Key: "19", Props: table.Props{"acceptedFile": "0123456789abcdef", "landedAt": time.Now()}}
	if err := account.Tables.Apply(t.Context(), table.UsageHours, row.Partition, table.Op{Verb: table.Insert, Row: row}); err != nil {
		t.Fatal(err)
	}
	t.Run("a difference is printed and is an error of its own", func(t *testing.T) {
		var out, errOut bytes.Buffer
		err := run(t.Context(), []string{"verify", "--registration", "b31316d4-de02-43a4-903d-eb74f8258b01"}, getenv, &out, &errOut)
		if !errors.Is(err, cli.ErrDifferences) || !strings.Contains(out.String(), "DIFFERS UsageHours "+row.Partition+"/19: ") {
			t.Errorf("error %v, output:\n%s", err, &out)
		}
	})
	t.Run("JSON holds the same", func(t *testing.T) {
		var out, errOut bytes.Buffer
		err := run(t.Context(), []string{"verify", "--output", "json", "--from", "2019-12-10", "--to", "2019-12-10"}, getenv, &out, &errOut)
		var report verify.Report
		if jsonErr := json.Unmarshal(out.Bytes(), &report); jsonErr != nil || !errors.Is(err, cli.ErrDifferences) || len(report.Differences) != 1 {
			t.Errorf("error %v, %v, output:\n%s", err, jsonErr, &out)
		}
	})
	t.Run("a line for each day", func(t *testing.T) {
		var out, errOut bytes.Buffer
		if err := run(t.Context(), []string{"verify", "--days"}, getenv, &out, &errOut); !errors.Is(err, cli.ErrDifferences) || !strings.Contains(out.String(), "\n2019-12-10  "+row.Partition[:36]+"      0") ||
			strings.Index(out.String(), "OPEN") < 80 || strings.Count(out.String(), "\nDIFFERS ") != 1 {
			t.Errorf("error %v, output:\n%s", err, &out)
		}
		rows, err := csv.NewReader(strings.NewReader(output(t, getenv, "verify", "--days", "--output", "csv"))).ReadAll()
		if err != nil || len(rows) != 2 || rows[0][1] != "day" || rows[1][1] != "2019-12-10" || !strings.Contains(strings.Join(rows[1], " "), "UsageHours") {
			t.Errorf("%v: %v", err, rows)
		}
		var report struct {
			Differences []verify.Finding
			ByDay       []verify.Day
		}
		if err := json.Unmarshal([]byte(output(t, getenv, "verify", "--days", "--output", "json")), &report); err != nil || len(report.Differences) != 1 || len(report.ByDay) != 1 {
			t.Errorf("%v: %+v", err, report)
		}
	})
	t.Run("days of which nothing is stored are no success", func(t *testing.T) {
		var out, errOut bytes.Buffer
		err := run(t.Context(), []string{"verify", "--from", "2019-12-11"}, getenv, &out, &errOut)
		if err == nil || !strings.Contains(err.Error(), "nothing was checked") || cli.ExitCode(err) != 1 || out.Len() > 0 {
			t.Errorf("error %v, output:\n%s", err, &out)
		}
	})
}

// output is what a command prints that finds something.
func output(t *testing.T, getenv func(string) string, args ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	if err := run(t.Context(), args, getenv, &out, &errOut); !errors.Is(err, cli.ErrDifferences) {
		t.Errorf("%v: %v", args, err)
	}
	return out.String()
}

func TestARegistrationShowsDaysAsItTakesThem(t *testing.T) {
	t.Parallel()
	getenv, _ := clitest.Storage(t)
	args := strings.Fields("registration create --name hamburg --subscription 7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11 --kind EA --model PayAsYouUse --region local --from 2019-12-10 --reason new --cloud-id " + cloudID)
	tool(t, getenv, args...)
	if got := tool(t, getenv, "registration", "show", "--registration", "hamburg"); !strings.Contains(got, "\n2019-12-10  7a1f6e0c-") {
		t.Errorf("it shows\n%s", got)
	}
}
