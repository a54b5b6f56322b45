package lifecycle

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"app/internal/health"
)

const patience = 5 * time.Second

// bench is a running service with one handler that stays in flight until let go.
type bench struct {
	url     string
	state   *health.State
	signals chan os.Signal
	done    chan error
	entered chan struct{}
	letGo   chan struct{}
}

func start(t *testing.T, drainDelay, shutdownTimeout time.Duration) *bench {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	b := &bench{
		url:     "http://" + listener.Addr().String(),
		state:   health.NewState(health.NewProbe(logger)),
		signals: make(chan os.Signal, 2),
		done:    make(chan error, 1),
		entered: make(chan struct{}, 1),
		letGo:   make(chan struct{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		b.entered <- struct{}{}
		select {
		case <-b.letGo:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "finished")
	})
	mux.HandleFunc("/status", func(w http.ResponseWriter, r *http.Request) {
		status, _ := b.state.Status(r.Context())
		_, _ = io.WriteString(w, string(status))
	})
	service := Service{
		Server: &http.Server{Handler: mux}, State: b.state, Logger: logger,
		DrainDelay: drainDelay, ShutdownTimeout: shutdownTimeout,
	}
	go func() { b.done <- service.Run(listener, b.signals) }()
	return b
}

func (b *bench) get(path string) <-chan string {
	result := make(chan string, 1)
	go func() {
		response, err := http.Get(b.url + path)
		if err != nil {
			result <- "error: " + err.Error()
			return
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			result <- "error: " + err.Error()
			return
		}
		result <- string(body)
	}()
	return result
}

func receive[T any](t *testing.T, channel <-chan T, what string) T {
	t.Helper()
	select {
	case value := <-channel:
		return value
	case <-time.After(patience):
		t.Fatalf("%s did not happen within %s", what, patience)
		panic("unreachable")
	}
}

func (b *bench) waitFor(t *testing.T, status health.Status) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if now, _ := b.state.Status(t.Context()); now == status {
			return
		}
	}
	t.Fatalf("never %s", status)
}

func TestARequestInFlightIsFinishedAndNewOnesAreRefused(t *testing.T) {
	b := start(t, 0, patience)
	slow := b.get("/slow")
	receive(t, b.entered, "the slow request")
	b.signals <- syscall.SIGTERM
	b.waitFor(t, health.Draining)

	for deadline := time.Now().Add(patience); !strings.HasPrefix(receive(t, b.get("/status"), "a probe"), "error"); {
		if time.Now().After(deadline) {
			t.Fatal("new connections are still accepted")
		}
	}
	close(b.letGo)
	if got := receive(t, slow, "the slow answer"); got != "finished" {
		t.Errorf("the request in flight got %q", got)
	}
	if err := receive(t, b.done, "the end"); err != nil {
		t.Errorf("a clean drain returned %v", err)
	}
}

func TestDuringTheDrainDelayProbesSeeItUnready(t *testing.T) {
	b := start(t, 300*time.Millisecond, patience)
	b.waitFor(t, health.Ready)
	b.signals <- syscall.SIGTERM
	b.waitFor(t, health.Draining)
	if got := receive(t, b.get("/status"), "a probe"); got != string(health.Draining) {
		t.Errorf("got %q, want %q", got, health.Draining)
	}
	if err := receive(t, b.done, "the end"); err != nil {
		t.Errorf("a clean drain returned %v", err)
	}
}

func TestTheDrainDelayIsNotTakenFromTheTimeOfTheRequests(t *testing.T) {
	b := start(t, 400*time.Millisecond, 400*time.Millisecond)
	slow := b.get("/slow")
	receive(t, b.entered, "the slow request")
	b.signals <- syscall.SIGTERM
	time.AfterFunc(600*time.Millisecond, func() { close(b.letGo) })
	if got := receive(t, slow, "the slow answer"); got != "finished" {
		t.Errorf("the request in flight got %q", got)
	}
	if err := receive(t, b.done, "the end"); err != nil {
		t.Errorf("a clean drain returned %v", err)
	}
}

func TestARequestThatNeverEndsIsCutOffAtTheTimeout(t *testing.T) {
	b := start(t, 0, 100*time.Millisecond)
	slow := b.get("/slow")
	receive(t, b.entered, "the slow request")
	b.signals <- syscall.SIGTERM
	if err := receive(t, b.done, "the end"); err == nil {
		t.Error("an unfinished drain is not a clean one")
	}
	receive(t, slow, "the end of the request")
}

func TestASecondSignalEndsItAtOnce(t *testing.T) {
	for name, delay := range map[string]time.Duration{"in the delay": time.Hour, "in the drain": 0} {
		t.Run(name, func(t *testing.T) {
			b := start(t, delay, time.Hour)
			b.get("/slow")
			receive(t, b.entered, "the slow request")
			b.signals <- syscall.SIGTERM
			b.waitFor(t, health.Draining)
			b.signals <- syscall.SIGTERM
			if err := receive(t, b.done, "the end"); !errors.Is(err, ErrInterrupted) {
				t.Errorf("got %v, want %v", err, ErrInterrupted)
			}
		})
	}
}

func TestTheServiceManagerIsToldWhatHappens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	read := func() string {
		buffer := make([]byte, 256)
		_ = socket.SetReadDeadline(time.Now().Add(patience))
		n, err := socket.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		return string(buffer[:n])
	}

	b := start(t, 0, time.Second)
	if got := read(); got != "READY=1" {
		t.Errorf("got %q", got)
	}
	b.signals <- syscall.SIGTERM
	if got := read(); got != "STOPPING=1\nEXTEND_TIMEOUT_USEC=6000000" {
		t.Errorf("got %q", got)
	}
	receive(t, b.done, "the end")
}
