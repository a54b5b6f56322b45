// Package health knows whether this process may be sent requests: it is bound,
// it is not draining, and what it depends on answers.
package health

import (
	"context"
	"sync/atomic"
)

// Status is the word that a probe gets.
type Status string

const (
	Ready       Status = "ready"       // send requests
	Starting    Status = "starting"    // the listener is not bound yet
	Draining    Status = "draining"    // stopping: finishing what it has
	Unavailable Status = "unavailable" // something it depends on does not work
)

// State is safe for concurrent use. Its zero phase is Starting.
type State struct {
	bound    atomic.Bool
	draining atomic.Bool
	probe    *Probe
}

// NewState returns a State that is not ready before Bind.
func NewState(probe *Probe) *State {
	return &State{probe: probe}
}

// Bind says that the listener accepts connections.
func (s *State) Bind() { s.bound.Store(true) }

// Drain turns readiness off for good.
func (s *State) Drain() { s.draining.Store(true) }

// Status asks what the app depends on, unless it was done a moment ago. There
// is a reason with Unavailable only.
func (s *State) Status(ctx context.Context) (Status, Reason) {
	switch {
	case s.draining.Load():
		return Draining, ""
	case !s.bound.Load():
		return Starting, ""
	}
	if reason := s.probe.Reason(ctx); reason != "" {
		return Unavailable, reason
	}
	return Ready, ""
}
