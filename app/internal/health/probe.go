package health

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	checkTimeout = 2 * time.Second
	freshness    = time.Second
)

// Reason is why the process is not ready, in a word; empty when it is.
type Reason string

// Check asks something that the app depends on. The error is for the log.
type Check func(ctx context.Context) (Reason, error)

// Probe asks all checks at the same time. However often it is asked itself, it
// asks them at most about once a second: a readiness probe that anybody can
// call must not multiply into load elsewhere.
type Probe struct {
	checks []Check
	logger *slog.Logger
	now    func() time.Time

	mutex   sync.Mutex // held while asking, so that callers share one answer
	checked time.Time
	reason  Reason
}

// NewProbe returns a probe of the checks; with none all is well.
func NewProbe(logger *slog.Logger, checks ...Check) *Probe {
	return &Probe{checks: checks, logger: logger, now: time.Now}
}

// Reason is the first check's that has one, at most a second old.
func (p *Probe) Reason(ctx context.Context) Reason {
	if len(p.checks) == 0 {
		return ""
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.checked.IsZero() || p.now().Sub(p.checked) >= freshness {
		p.ask(ctx)
	}
	return p.reason
}

func (p *Probe) ask(ctx context.Context) {
	// A caller that hangs up must not turn into an answer for the others.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	reasons, problems := make([]Reason, len(p.checks)), make([]error, len(p.checks))
	var group sync.WaitGroup
	for i, check := range p.checks {
		group.Go(func() { reasons[i], problems[i] = check(ctx) })
	}
	group.Wait()

	var reason Reason
	var problem error
	for i := range reasons {
		if reason == "" && reasons[i] != "" {
			reason, problem = reasons[i], problems[i]
		}
	}
	// What happened goes to the log, on a change only; the public answer is one word.
	if reason != p.reason {
		if reason != "" {
			p.logger.Warn("unavailable", "reason", reason, "error", problem.Error())
		} else {
			p.logger.Info("available again", "was", p.reason)
		}
	}
	p.reason, p.checked = reason, p.now()
}
