package health

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// closed is an address at which nothing listens.
func closed(t *testing.T) string {
	t.Helper()
	l := listener(t)
	_ = l.Close()
	return l.Addr().String()
}

func want(t *testing.T, state *State, status Status, reason Reason) {
	t.Helper()
	if gotStatus, gotReason := state.Status(t.Context()); gotStatus != status || gotReason != reason {
		t.Errorf("got %s %q, want %s %q", gotStatus, gotReason, status, reason)
	}
}

func TestReadinessFollowsTheLifeOfTheProcess(t *testing.T) {
	state := NewState(NewProbe(quiet))
	want(t, state, Starting, "")
	state.Bind()
	want(t, state, Ready, "")
	state.Drain()
	want(t, state, Draining, "")
}

func TestWhatIsGoneAndComesBackIsSeenWithinASecond(t *testing.T) {
	var log bytes.Buffer
	up, gone := listener(t).Addr().String(), closed(t)
	clock := time.Now()
	probe := NewProbe(slog.New(slog.NewJSONHandler(&log, nil)), Accepting([]string{up, gone}))
	probe.now = func() time.Time { return clock }
	state := NewState(probe)
	state.Bind()

	want(t, state, Unavailable, Dependency)
	if !strings.Contains(log.String(), gone) || strings.Contains(log.String(), up) {
		t.Errorf("the log should name %s only: %s", gone, log.String())
	}
	back, err := net.Listen("tcp", gone)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = back.Close() })
	want(t, state, Unavailable, Dependency)
	clock = clock.Add(freshness)
	want(t, state, Ready, "")
	if strings.Count(log.String(), "\n") != 2 {
		t.Errorf("want a line for each change: %s", log.String())
	}
}

func TestTheFirstReasonOfSeveralChecksCounts(t *testing.T) {
	fine := func(context.Context) (Reason, error) { return "", nil }
	slow := func(context.Context) (Reason, error) {
		time.Sleep(10 * time.Millisecond)
		return "slow", errors.New("slow")
	}
	quick := func(context.Context) (Reason, error) { return "quick", errors.New("quick") }
	if got := NewProbe(quiet, fine, slow, quick).Reason(t.Context()); got != "slow" {
		t.Errorf("got %q", got)
	}
}

func TestManyProbesAreOneCheck(t *testing.T) {
	var checks atomic.Int32
	probe := NewProbe(quiet, func(context.Context) (Reason, error) {
		checks.Add(1)
		return "", nil
	})
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { probe.Reason(t.Context()) })
	}
	group.Wait()
	if checks.Load() != 1 {
		t.Errorf("got %d checks, want 1", checks.Load())
	}
}

func TestChecksAreAskedAtTheSameTimeAndNotForLong(t *testing.T) {
	silent := func(ctx context.Context) (Reason, error) {
		<-ctx.Done()
		return "silent", ctx.Err()
	}
	start := time.Now()
	if NewProbe(quiet, silent, silent, silent).Reason(t.Context()) == "" {
		t.Error("nothing answered, and yet all is well")
	}
	if took := time.Since(start); took > checkTimeout+checkTimeout/2 {
		t.Errorf("took %s, want about %s", took, checkTimeout)
	}
}

func TestACallerThatHangsUpDoesNotMakeADependencySilent(t *testing.T) {
	probe := NewProbe(quiet, Accepting([]string{listener(t).Addr().String()}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := probe.Reason(ctx); got != "" {
		t.Errorf("got %q: the dependency answers, only the caller is gone", got)
	}
}
