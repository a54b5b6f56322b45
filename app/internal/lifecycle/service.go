// Package lifecycle takes a server from its bound listener to its end: ready,
// then unready, then drained, then gone, each within a set time.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"app/internal/health"
)

// ErrInterrupted is returned when a second signal cuts the draining short.
var ErrInterrupted = errors.New("a second signal came before the requests in flight were finished")

// Service is a server with the times it is given to stop.
type Service struct {
	Server          *http.Server
	State           *health.State
	Logger          *slog.Logger
	DrainDelay      time.Duration // unready, but still accepting, so that a balancer can look away
	ShutdownTimeout time.Duration // then, in full, for the requests in flight
}

// Run serves on the listener until the first signal, drains, and returns nil
// when every request was finished. The listener is closed in any case.
func (s Service) Run(listener net.Listener, signals <-chan os.Signal) error {
	served := make(chan error, 1)
	// The kernel accepts connections from the moment the listener exists.
	s.State.Bind()
	go func() { served <- s.Server.Serve(listener) }()
	s.tell("READY=1")

	select {
	case err := <-served:
		return fmt.Errorf("cannot serve: %w", err)
	case received := <-signals:
		s.Logger.Info("draining", "signal", received.String(), "timeout", s.ShutdownTimeout.String())
	}
	return s.drain(signals)
}

func (s Service) drain(signals <-chan os.Signal) error {
	s.State.Drain()
	s.Server.SetKeepAlivesEnabled(false)
	// The unit's own limit must not be shorter than what this release was given.
	limit := s.DrainDelay + s.ShutdownTimeout + 5*time.Second
	s.tell(fmt.Sprintf("STOPPING=1\nEXTEND_TIMEOUT_USEC=%d", limit.Microseconds()))

	select {
	case <-time.After(s.DrainDelay):
	case <-signals:
		return s.interrupt()
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.ShutdownTimeout)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- s.Server.Shutdown(ctx) }()
	select {
	case err := <-stopped:
		if err != nil {
			_ = s.Server.Close()
			return fmt.Errorf("requests were still running after %s: %w", s.ShutdownTimeout, err)
		}
		return nil
	case <-signals:
		return s.interrupt()
	}
}

func (s Service) interrupt() error {
	_ = s.Server.Close()
	return ErrInterrupted
}

// tell speaks to the service manager; without one, or with one that does not
// listen, the service runs all the same.
func (s Service) tell(state string) {
	if err := notify(os.Getenv("NOTIFY_SOCKET"), state); err != nil {
		s.Logger.Warn("cannot notify the service manager", "error", err.Error())
	}
}
