package health

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	dialTimeout = 800 * time.Millisecond
	freshness   = time.Second
)

// Dependencies asks TCP services whether they accept a connection. However
// often it is asked itself, it dials each at most about once a second: a
// readiness probe that anybody can call must not multiply into load elsewhere.
type Dependencies struct {
	addresses []string
	logger    *slog.Logger
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	now       func() time.Time

	mutex   sync.Mutex // held while dialling, so that callers share one answer
	checked time.Time
	silent  []string
}

// NewDependencies takes addresses as host:port; none are always answering.
func NewDependencies(addresses []string, logger *slog.Logger) *Dependencies {
	return &Dependencies{addresses: addresses, logger: logger, dial: (&net.Dialer{}).DialContext, now: time.Now}
}

// Answer says whether all dependencies accept connections, at most a second old.
func (d *Dependencies) Answer(ctx context.Context) bool {
	if len(d.addresses) == 0 {
		return true
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.checked.IsZero() || d.now().Sub(d.checked) >= freshness {
		d.check(ctx)
	}
	return len(d.silent) == 0
}

func (d *Dependencies) check(ctx context.Context) {
	// A caller that hangs up must not turn into an answer for the others.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dialTimeout)
	defer cancel()
	answers := make([]bool, len(d.addresses))
	var group sync.WaitGroup
	for i, address := range d.addresses {
		group.Go(func() { answers[i] = d.accepts(ctx, address) })
	}
	group.Wait()

	var silent []string
	for i, address := range d.addresses {
		if !answers[i] {
			silent = append(silent, address)
		}
	}
	// Names go to the log, on a change only; the public answer does not carry them.
	if !slices.Equal(silent, d.silent) {
		if len(silent) > 0 {
			d.logger.Warn("dependencies do not answer", "addresses", silent)
		} else {
			d.logger.Info("dependencies answer", "addresses", d.addresses)
		}
	}
	d.silent, d.checked = silent, d.now()
}

func (d *Dependencies) accepts(ctx context.Context, address string) bool {
	connection, err := d.dial(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}
