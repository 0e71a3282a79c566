package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxSecret is the most bytes of a secret file; certificates come with chains.
const maxSecret = 256 << 10

// findSecrets replaces the names of secret files by paths, and looks at files
// and variables without reading the former.
func (c *Config) findSecrets(config string, getenv func(string) string, lines map[string]int) (problems []Problem) {
	file := func(key string, name *string) {
		if *name == "" {
			return
		}
		if filepath.Base(*name) == *name {
			*name = findSecret(config, *name)
		} else if !filepath.IsAbs(*name) {
			return // reported already
		}
		if err := checkSecret(*name); err != nil {
			problems = append(problems, Problem{lines[key], key, err.Error()})
		}
	}
	variable := func(key, name string) {
		if envName.MatchString(name) && getenv(name) == "" {
			problems = append(problems, Problem{lines[key], key, fmt.Sprintf("the variable %s is not set: set it for the agent", name)})
		}
	}
	for at, s := range map[string]*SignIn{"stack.signIn": &c.Stack.SignIn, "storage.signIn": &c.Storage.SignIn} {
		file(at+".secretFile", &s.SecretFile)
		file(at+".certificateFile", &s.CertificateFile)
		file(at+".certificatePasswordFile", &s.CertificatePasswordFile)
		variable(at+".secretEnv", s.SecretEnv)
		variable(at+".certificatePasswordEnv", s.CertificatePasswordEnv)
	}
	variable("storage.connectionStringEnv", c.Storage.ConnectionStringEnv)
	return problems
}

// findSecret is a file in the folder secrets beside the configuration.
func findSecret(config, name string) string {
	dir, err := filepath.Abs(filepath.Dir(config))
	if err != nil {
		dir = filepath.Dir(config)
	}
	return filepath.Join(dir, "secrets", name)
}

func checkSecret(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return errors.New("there is no such file: put the secret into it (a bare name is looked for in the folder secrets beside the configuration)")
	case err != nil:
		return fmt.Errorf("the file cannot be inspected: %w", err)
	case !info.Mode().IsRegular():
		return errors.New("that is not a file")
	case info.Size() == 0:
		return errors.New("the file is empty: put the secret into it")
	case info.Size() > maxSecret:
		return fmt.Errorf("the file has over %d bytes: this is no secret", maxSecret)
	case tooOpen(info.Mode()):
		return fmt.Errorf("others may read or change the file (mode %04o): chmod 0640 or 0600, and change the secret if others could have read it", info.Mode().Perm())
	}
	return nil
}

// Secret is the client secret of s, from its file or its variable, less one
// line end. Errors hold no part of it.
func (s SignIn) Secret(getenv func(string) string) (string, error) {
	return readSecret("client secret", s.SecretFile, s.SecretEnv, getenv)
}

// CertificatePassword is the password of the certificate; empty if it has none.
func (s SignIn) CertificatePassword(getenv func(string) string) (string, error) {
	if s.CertificatePasswordFile == "" && s.CertificatePasswordEnv == "" {
		return "", nil
	}
	return readSecret("certificate password", s.CertificatePasswordFile, s.CertificatePasswordEnv, getenv)
}

// Certificate is what the certificate file holds, PEM or PFX.
func (s SignIn) Certificate() ([]byte, error) {
	data, err := readSecretFile(s.CertificateFile)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	return data, nil
}

func readSecret(what, file, variable string, getenv func(string) string) (string, error) {
	if variable != "" {
		if value := getenv(variable); value != "" {
			return value, nil
		}
		return "", fmt.Errorf("read %s: the variable %s is not set", what, variable)
	}
	data, err := readSecretFile(file)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if text == "" {
		return "", fmt.Errorf("read %s: %s is empty", what, file)
	}
	return text, nil
}

// readSecretFile looks at the file again, which Load may have seen long ago.
func readSecretFile(path string) ([]byte, error) {
	if err := checkSecret(path); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSecret))
}
