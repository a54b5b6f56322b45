// Package config reads the settings of a release from the environment, and
// names every problem at once: a release that starts is a release whose
// configuration is whole.
package config

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	maxMessage  = 500
	maxDuration = 5 * time.Minute
)

// Config is what a release may be told from outside.
type Config struct {
	Port            int           // PORT: TCP port to listen on, all addresses
	Image           string        // APP_IMAGE: name of the image the droplet was made of
	Release         string        // APP_RELEASE: key of the release
	Message         string        // APP_MESSAGE: a line of text for the page, may be empty
	ShutdownTimeout time.Duration // APP_SHUTDOWN_TIMEOUT: for requests in flight at a stop
	DrainDelay      time.Duration // APP_DRAIN_DELAY: unready, but still accepting, before that
	DependsOn       []string      // APP_DEPENDS_ON: host:port that must answer for readiness
}

// Load returns the configuration, or all the problems with it as sentences.
// Lookup has the shape of os.LookupEnv; an empty value counts as not set.
func Load(lookup func(string) (string, bool)) (Config, []string) {
	r := reader{lookup: lookup}
	settings := Config{
		Port:            r.port("PORT", 80),
		Image:           r.text("APP_IMAGE", "unknown", 255),
		Release:         r.text("APP_RELEASE", "unknown", 255),
		Message:         r.text("APP_MESSAGE", "", maxMessage),
		ShutdownTimeout: r.duration("APP_SHUTDOWN_TIMEOUT", 10*time.Second, time.Millisecond),
		DrainDelay:      r.duration("APP_DRAIN_DELAY", 0, 0),
		DependsOn:       r.addresses("APP_DEPENDS_ON"),
	}
	return settings, r.problems
}

// reader collects problems, so that one start names them all.
type reader struct {
	lookup   func(string) (string, bool)
	problems []string
}

func (r *reader) get(name string) string {
	value, _ := r.lookup(name)
	return strings.TrimSpace(value)
}

func (r *reader) fail(name, value, want string) {
	r.problems = append(r.problems, fmt.Sprintf("%s=%q: want %s", name, value, want))
}

func (r *reader) text(name, fallback string, limit int) string {
	value := r.get(name)
	if value == "" {
		return fallback
	}
	if len(value) > limit || strings.ContainsFunc(value, unicode.IsControl) {
		r.fail(name, value, fmt.Sprintf("at most %d bytes of text on one line", limit))
	}
	return value
}

func (r *reader) port(name string, fallback int) int {
	value := r.get(name)
	if value == "" {
		return fallback
	}
	number, err := strconv.Atoi(value)
	if err != nil || number < 1 || number > 65535 {
		r.fail(name, value, "a TCP port from 1 to 65535")
	}
	return number
}

func (r *reader) duration(name string, fallback, least time.Duration) time.Duration {
	value := r.get(name)
	if value == "" {
		return fallback
	}
	length, err := time.ParseDuration(value)
	if err != nil || length < least || length > maxDuration {
		r.fail(name, value, fmt.Sprintf("a duration such as 10s, from %s to %s", least, maxDuration))
	}
	return length
}

func (r *reader) addresses(name string) []string {
	value := r.get(name)
	if value == "" {
		return nil
	}
	var addresses []string
	for _, part := range strings.Split(value, ",") {
		address := strings.TrimSpace(part)
		host, port, err := net.SplitHostPort(address)
		number, portErr := strconv.Atoi(port)
		if err != nil || host == "" || portErr != nil || number < 1 || number > 65535 {
			r.fail(name, address, "host:port, separated by commas")
			continue
		}
		addresses = append(addresses, address)
	}
	return addresses
}
