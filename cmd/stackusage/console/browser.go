package console

import (
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
)

// openBrowser opens an address by way of a file that only its user can read: everybody can
// read the arguments of a program. The file is there until remove is called.
func openBrowser(address string) (remove func(), err error) {
	dir, err := os.MkdirTemp("", "stackusage-console-") // 0700
	if err != nil {
		return func() {}, err
	}
	remove = sync.OnceFunc(func() { _ = os.RemoveAll(dir) }) // its token is used, or dies with the process
	file := filepath.Join(dir, "console.html")
	text := fmt.Sprintf("<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"+
		"<meta http-equiv=\"refresh\" content=\"0; url=%[1]s\">\n<title>stackusage</title>\n<p><a href=\"%[1]s\">Go to the console</a></p>\n</html>\n", html.EscapeString(address))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return remove, err
	}
	name, args := "xdg-open", []string{file}
	switch runtime.GOOS {
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", file}
	case "darwin":
		name = "open"
	}
	cmd := exec.Command(name, args...) // it may be the browser itself, and outlive the console
	setApart(cmd)
	if err := cmd.Start(); err != nil {
		return remove, err
	}
	go func() { _ = cmd.Wait() }()
	return remove, nil
}
