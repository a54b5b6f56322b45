package health

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	// Dependency is the reason of Accepting.
	Dependency  Reason = "dependency"
	dialTimeout        = 800 * time.Millisecond
)

// Accepting checks whether something accepts TCP connections at each host:port.
func Accepting(addresses []string) Check {
	return func(ctx context.Context) (Reason, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		silent := make([]string, len(addresses))
		var group sync.WaitGroup
		for i, address := range addresses {
			group.Go(func() {
				if !accepts(ctx, address) {
					silent[i] = address + " "
				}
			})
		}
		group.Wait()
		if found := strings.TrimSpace(strings.Join(silent, "")); found != "" {
			return Dependency, fmt.Errorf("no connection is accepted at %s", found)
		}
		return "", nil
	}
}

func accepts(ctx context.Context, address string) bool {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}
