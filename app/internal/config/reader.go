package config

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	maxDuration   = 5 * time.Minute
	tokenShape    = "16 to 200 letters, digits and punctuation marks"
	databaseShape = "postgres://USER:PASSWORD@HOST:PORT/DATABASE"
)

// Setting describes a variable.
type Setting struct {
	Name        string `json:"name"`
	Kind        string `json:"kind"` // integer, duration, addresses or text
	Default     string `json:"default"`
	Secret      bool   `json:"secret"`
	Description string `json:"description"`
}

// reader collects settings and problems, so that one start names them all.
type reader struct {
	values   map[string]string
	settings []Setting
	problems []string
}

func newReader(environ []string) *reader { return &reader{values: split(environ)} }

func (r *reader) get(setting Setting) string {
	r.settings = append(r.settings, setting)
	return strings.TrimSpace(r.values[setting.Name])
}

func (r *reader) fail(name, value, want string) {
	r.problems = append(r.problems, fmt.Sprintf("%s=%q: want %s", name, value, want))
}

// refuseOthers names what has the prefix and was not asked for.
func (r *reader) refuseOthers(prefix string) {
	for _, name := range slices.Sorted(maps.Keys(r.values)) {
		known := slices.ContainsFunc(r.settings, func(setting Setting) bool { return setting.Name == name })
		if strings.HasPrefix(name, prefix) && !known {
			r.problems = append(r.problems, name+": there is no such setting")
		}
	}
}

func (r *reader) text(name, fallback string, limit int, description string) string {
	value := r.get(Setting{Name: name, Kind: "text", Default: fallback, Description: description})
	if value == "" {
		return fallback
	}
	if len(value) > limit || strings.ContainsFunc(value, unicode.IsControl) {
		r.fail(name, value, fmt.Sprintf("at most %d bytes of text on one line", limit))
	}
	return value
}

// secret is a value that no problem repeats.
func (r *reader) secret(name string, valid func(string) bool, want, description string) string {
	value := r.get(Setting{Name: name, Kind: "text", Secret: true, Description: description})
	if value != "" && !valid(value) {
		r.problems = append(r.problems, fmt.Sprintf("%s: want %s; the value is not shown, it is a secret", name, want))
	}
	return value
}

func isToken(value string) bool {
	invisible := func(r rune) bool { return r <= ' ' || r > '~' }
	return len(value) >= 16 && len(value) <= 200 && !strings.ContainsFunc(value, invisible)
}

func (r *reader) number(name string, fallback, most int, description string) int {
	value := r.get(Setting{Name: name, Kind: "integer", Default: strconv.Itoa(fallback), Description: description})
	if value == "" {
		return fallback
	}
	number, err := strconv.Atoi(value)
	if err != nil || number < 1 || number > most {
		r.fail(name, value, fmt.Sprintf("a whole number from 1 to %d", most))
	}
	return number
}

func (r *reader) duration(name string, fallback, least time.Duration, description string) time.Duration {
	value := r.get(Setting{Name: name, Kind: "duration", Default: fallback.String(), Description: description})
	if value == "" {
		return fallback
	}
	length, err := time.ParseDuration(value)
	if err != nil || length < least || length > maxDuration {
		r.fail(name, value, fmt.Sprintf("a duration such as 10s, from %s to %s", least, maxDuration))
	}
	return length
}

func (r *reader) addresses(name, description string) []string {
	value := r.get(Setting{Name: name, Kind: "addresses", Description: description})
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
