package health

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestReadinessFollowsTheLifeOfTheProcess(t *testing.T) {
	state := NewState(NewDependencies(nil, slog.New(slog.DiscardHandler)))
	steps := []struct {
		act  func()
		want Status
	}{{func() {}, Starting}, {state.Bind, Ready}, {state.Drain, Draining}}
	for _, step := range steps {
		step.act()
		if got := state.Status(t.Context()); got != step.want {
			t.Fatalf("got %s, want %s", got, step.want)
		}
	}
}

func TestADependencyThatIsGoneAndComesBackIsSeenWithinASecond(t *testing.T) {
	var log bytes.Buffer
	up, down := listener(t), listener(t)
	gone := down.Addr().String()
	_ = down.Close()

	clock := time.Now()
	d := NewDependencies([]string{up.Addr().String(), gone}, slog.New(slog.NewJSONHandler(&log, nil)))
	d.now = func() time.Time { return clock }
	state := NewState(d)
	state.Bind()

	if got := state.Status(t.Context()); got != Unavailable {
		t.Fatalf("got %s, want %s", got, Unavailable)
	}
	if !strings.Contains(log.String(), gone) || strings.Contains(log.String(), up.Addr().String()) {
		t.Errorf("the log should name %s only: %s", gone, log.String())
	}
	back, err := net.Listen("tcp", gone)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = back.Close() })
	if got := state.Status(t.Context()); got != Unavailable {
		t.Errorf("the answer should be a cached one, got %s", got)
	}
	clock = clock.Add(freshness)
	if got := state.Status(t.Context()); got != Ready {
		t.Errorf("got %s, want %s", got, Ready)
	}
}

func TestManyProbesAreOneCheckOfEachDependency(t *testing.T) {
	var dials atomic.Int32
	d := NewDependencies([]string{"a:1", "b:2"}, slog.New(slog.DiscardHandler))
	d.dial = func(context.Context, string, string) (net.Conn, error) {
		dials.Add(1)
		client, server := net.Pipe()
		_ = server.Close()
		return client, nil
	}
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { d.Answer(t.Context()) })
	}
	group.Wait()
	if dials.Load() != 2 {
		t.Errorf("got %d dials, want 2", dials.Load())
	}
}

func TestSilentDependenciesAreAskedAtTheSameTimeAndNotForLong(t *testing.T) {
	d := NewDependencies([]string{"a:1", "b:2", "c:3"}, slog.New(slog.DiscardHandler))
	d.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	start := time.Now()
	if d.Answer(t.Context()) {
		t.Error("nothing answered, and yet it says so")
	}
	if took := time.Since(start); took > 2*dialTimeout {
		t.Errorf("took %s, want about %s", took, dialTimeout)
	}
}

func TestACallerThatHangsUpDoesNotMakeADependencySilent(t *testing.T) {
	d := NewDependencies([]string{listener(t).Addr().String()}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if !d.Answer(ctx) {
		t.Error("the dependency answers, only the caller is gone")
	}
}
