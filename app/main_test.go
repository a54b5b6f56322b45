package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"app/internal/testdatabase"
)

// flags are the ones that a release is built with.
var flags = []string{
	"build", "-trimpath", "-buildvcs=false",
	"-ldflags", "-s -w -buildid= -X main.version=v9 -X main.commit=c0ffee",
}

// binary is built once for all tests of this file.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		directory, err := os.MkdirTemp("", "app-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(directory) }()
		binary = filepath.Join(directory, "app")
		if err := build(".", binary); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

func build(source, target string) error {
	command := exec.Command("go", append(flags, "-o", target, ".")...)
	command.Dir = source
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, output)
	}
	return nil
}

// start runs the binary with nothing in its environment but what is given.
func start(t *testing.T, output *bytes.Buffer, environment ...string) *exec.Cmd {
	t.Helper()
	command := exec.Command(binary)
	command.Env = environment
	command.Stdout, command.Stderr = output, output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	return command
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

func TestTheBinaryStartsAnswersAndStopsCleanly(t *testing.T) {
	port := freePort(t)
	var log bytes.Buffer
	command := start(t, &log, "PORT="+port, "APP_IMAGE=image-1", "APP_RELEASE=release-1")
	answer := eventually(t, "http://127.0.0.1:"+port+"/version")
	for name, want := range map[string]string{
		"version": "v9", "commit": "c0ffee", "image": "image-1", "release": "release-1",
	} {
		if answer[name] != want {
			t.Errorf("%s: got %q, want %q", name, answer[name], want)
		}
	}
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(t, command.Wait()); code != 0 {
		t.Errorf("exit code %d after SIGTERM: %s", code, log.String())
	}
	for line := range strings.Lines(log.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

func eventually(t *testing.T, url string) map[string]string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		response, err := http.Get(url)
		if err != nil {
			continue
		}
		defer func() { _ = response.Body.Close() }()
		var body map[string]string
		if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
			t.Fatal(err)
		}
		return body
	}
	t.Fatalf("%s never answered", url)
	return nil
}

func TestAWrongConfigurationIsOneLineAndExitCode2(t *testing.T) {
	var log bytes.Buffer
	command := start(t, &log, "PORT=x", "APP_SHUTDOWN_TIMEOUT=y")
	if code := exitCode(t, command.Wait()); code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	var line struct{ Problems []string }
	if err := json.Unmarshal(log.Bytes(), &line); err != nil || len(line.Problems) != 2 {
		t.Errorf("want one line with two problems, got %s", log.String())
	}
}

func TestAPortThatIsTakenIsOneLineAndExitCode1(t *testing.T) {
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	var log bytes.Buffer
	command := start(t, &log, "PORT="+port)
	if code := exitCode(t, command.Wait()); code != 1 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("exit code %d, want 1 and one line: %s", code, log.String())
	}
}

func TestTheCommandLineIsOneFlagAndCommands(t *testing.T) {
	if output, err := exec.Command(binary, "--version").Output(); err != nil || string(output) != "app v9 (c0ffee)\n" {
		t.Errorf("--version: %q, %v", output, err)
	}
	if code := exitCode(t, exec.Command(binary, "--help").Run()); code != 2 {
		t.Errorf("--help: exit code %d, want 2", code)
	}
	var answer struct{ Latest int }
	output, err := exec.Command(binary, "schema").Output()
	if err != nil || json.Unmarshal(output, &answer) != nil || answer.Latest < 1 {
		t.Errorf("schema: %s, %v", output, err)
	}
	if code := exitCode(t, exec.Command(binary, "migrate", "--down").Run()); code != 2 {
		t.Errorf("migrate --down: exit code %d, want 2", code)
	}
}

func TestTheSameSourceGivesTheSameBytesInAnyDirectory(t *testing.T) {
	var sums []string
	for _, name := range []string{"here", "some/where/else"} {
		directory := filepath.Join(t.TempDir(), name)
		copySource(t, directory)
		target := filepath.Join(directory, "app.out")
		if err := build(directory, target); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(target)
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, fmt.Sprintf("%x", sha256.Sum256(content)))
	}
	if sums[0] != sums[1] {
		t.Errorf("got %s and %s", sums[0], sums[1])
	}
}

func copySource(t *testing.T, directory string) {
	t.Helper()
	files := os.DirFS(".")
	err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		target := filepath.Join(directory, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheServiceWaitsForItsDatabaseAndServesNotes(t *testing.T) {
	d := testdatabase.New(t)
	port := freePort(t)
	base := "http://127.0.0.1:" + port
	var log bytes.Buffer
	command := start(t, &log, "PORT="+port, "APP_DATABASE_URL="+d.AppURL())
	status := func() string {
		answer := eventually(t, base+"/health/ready")
		return answer["status"] + " " + answer["reason"]
	}
	if got := status(); got != "unavailable schema" {
		t.Errorf("before the migration: %s", got)
	}
	stdin, err := json.Marshal(map[string]string{"url": d.AdminURL()})
	if err != nil {
		t.Fatal(err)
	}
	migrate := exec.Command(binary, "migrate", "--role", d.User)
	migrate.Stdin = bytes.NewReader(stdin)
	if output, err := migrate.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	for deadline := time.Now().Add(20 * time.Second); status() != "ready "; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is never ready")
		}
	}
	response, err := http.Post(base+"/api/notes", "application/json", strings.NewReader(`{"body": "from outside"}`))
	if err != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("got %v, %v", response, err)
	}
	_ = response.Body.Close()
	response, err = http.Get(base + "/")
	if err != nil {
		t.Fatal(err)
	}
	page, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if !strings.Contains(string(page), "from outside") {
		t.Errorf("the page does not show the note: %s", page)
	}
	_ = command.Process.Signal(syscall.SIGTERM)
	if code := exitCode(t, command.Wait()); code != 0 {
		t.Errorf("exit code %d", code)
	}
	password, _ := url.Parse(d.AppURL())
	secret, _ := password.User.Password()
	if text := log.String(); strings.Contains(text, `"level":"ERROR"`) || strings.Contains(text, secret) {
		t.Errorf("the log has an error or a password: %s", text)
	}
}
