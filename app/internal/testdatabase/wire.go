package testdatabase

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Wire is a TCP proxy before the database that can be cut, frozen and mended.
type Wire struct {
	listener net.Listener
	target   string

	mutex       sync.Mutex
	cut, frozen bool
	connections map[net.Conn]struct{}
}

// NewWire leads the connections of a configuration over a proxy; the host that
// TLS is verified for stays the same.
func NewWire(t *testing.T, config *pgx.ConnConfig) *Wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))
	w := &Wire{listener: listener, target: target, connections: map[net.Conn]struct{}{}}
	dial := config.DialFunc
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	config.DialFunc = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, listener.Addr().String())
	}
	t.Cleanup(func() {
		_ = listener.Close()
		w.Cut()
	})
	go w.accept()
	return w
}

// Cut ends all connections, and refuses new ones.
func (w *Wire) Cut() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.cut = true
	for connection := range w.connections {
		_ = connection.Close()
	}
}

// Freeze lets nothing through any more, and tells nobody.
func (w *Wire) Freeze() { w.set(false, true) }

// Mend makes new connections work again.
func (w *Wire) Mend() {
	w.Cut()
	w.set(false, false)
}

func (w *Wire) set(cut, frozen bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.cut, w.frozen = cut, frozen
}

func (w *Wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		go w.serve(near)
	}
}

func (w *Wire) serve(near net.Conn) {
	defer func() { _ = near.Close() }()
	if w.isCut(near) {
		return
	}
	far, err := net.Dial("tcp", w.target)
	if err != nil {
		return
	}
	defer func() { _ = far.Close() }()
	if w.isCut(far) {
		return
	}
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
		go func() {
			_, _ = io.Copy(valve{pair[1], w}, pair[0])
			done <- struct{}{}
		}()
	}
	<-done
}

// isCut registers a connection, unless it must not be.
func (w *Wire) isCut(connection net.Conn) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.connections[connection] = struct{}{}
	return w.cut
}

// valve swallows what is written while the wire is frozen.
type valve struct {
	net.Conn
	wire *Wire
}

func (v valve) Write(data []byte) (int, error) {
	v.wire.mutex.Lock()
	frozen := v.wire.frozen
	v.wire.mutex.Unlock()
	if frozen {
		return len(data), nil
	}
	return v.Conn.Write(data)
}
