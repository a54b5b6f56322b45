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
	Unavailable Status = "unavailable" // a dependency does not answer
)

// State is safe for concurrent use. Its zero phase is Starting.
type State struct {
	bound        atomic.Bool
	draining     atomic.Bool
	dependencies *Dependencies
}

// NewState returns a State that is not ready before Bind.
func NewState(dependencies *Dependencies) *State {
	return &State{dependencies: dependencies}
}

// Bind says that the listener accepts connections.
func (s *State) Bind() { s.bound.Store(true) }

// Drain turns readiness off for good.
func (s *State) Drain() { s.draining.Store(true) }

// Status asks the dependencies, unless it was done a moment ago.
func (s *State) Status(ctx context.Context) Status {
	switch {
	case s.draining.Load():
		return Draining
	case !s.bound.Load():
		return Starting
	case !s.dependencies.Answer(ctx):
		return Unavailable
	}
	return Ready
}
