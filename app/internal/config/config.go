// Package config reads the settings of a release from the environment, and
// names every problem at once: a release that starts is a release whose
// configuration is whole.
package config

import (
	"strings"
	"time"

	"app/internal/database"
)

// Config is what a release may be told from outside.
type Config struct {
	Port            int
	Image           string
	Release         string
	Message         string
	WriteToken      string
	ShutdownTimeout time.Duration
	DrainDelay      time.Duration
	DependsOn       []string
	Database        Database
}

// Database is where notes are kept. Without a URL there is none.
type Database struct {
	URL            string
	PoolSize       int
	ConnectTimeout time.Duration
	PoolTimeout    time.Duration
	QueryTimeout   time.Duration
}

// Load returns the configuration, or all the problems with it as sentences.
// Environ has the shape of os.Environ; an empty value counts as not set. What
// begins with APP_ and is no setting is a problem too: somebody meant it, and
// it would have no effect.
func Load(environ []string) (Config, []string) {
	r := newReader(environ)
	settings := read(r)
	r.refuseOthers("APP_")
	return settings, r.problems
}

// Settings describes every variable that Load reads.
func Settings() []Setting {
	r := newReader(nil)
	read(r)
	return r.settings
}

func read(r *reader) Config {
	return Config{
		Port:       r.number("PORT", 80, 65535, "TCP port to listen on, on all addresses"),
		Image:      r.text("APP_IMAGE", "unknown", 255, "name of the image that the droplet was made of"),
		Release:    r.text("APP_RELEASE", "unknown", 255, "key of the release"),
		Message:    r.text("APP_MESSAGE", "", 500, "a line of text for the page"),
		WriteToken: r.secret("APP_WRITE_TOKEN", isToken, tokenShape, "token that whoever writes or deletes a note has to know"),
		ShutdownTimeout: r.duration("APP_SHUTDOWN_TIMEOUT", 10*time.Second, time.Millisecond,
			"how long a stop waits for requests in flight"),
		DrainDelay: r.duration("APP_DRAIN_DELAY", 0, 0, "how long a stop is unready and still accepts, before that"),
		DependsOn:  r.addresses("APP_DEPENDS_ON", "host:port that must accept connections for readiness, separated by commas"),
		Database: Database{
			URL:      r.secret("APP_DATABASE_URL", database.IsURL, databaseShape, "the database of the notes, with the app's own user"),
			PoolSize: r.number("APP_DATABASE_POOL_SIZE", 5, 100, "most connections to the database at the same time"),
			ConnectTimeout: r.duration("APP_DATABASE_CONNECT_TIMEOUT", 3*time.Second, time.Millisecond,
				"how long a connection to the database may take to be made"),
			PoolTimeout: r.duration("APP_DATABASE_POOL_TIMEOUT", time.Second, time.Millisecond,
				"how long a request waits for a connection to be free"),
			QueryTimeout: r.duration("APP_DATABASE_QUERY_TIMEOUT", 3*time.Second, time.Millisecond,
				"how long what a request asks of the database may take"),
		},
	}
}

// split makes a map of os.Environ.
func split(environ []string) map[string]string {
	values := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		values[name] = value
	}
	return values
}
