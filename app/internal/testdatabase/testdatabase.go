// Package testdatabase gives each test a database and a user of its own in the
// cluster of APP_TEST_DATABASE_URL, whose user is an administrator as
// DigitalOcean's doadmin is: no superuser, but one who makes roles and
// databases. Without the variable such a test is skipped.
package testdatabase

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"app/internal/database"
)

const variable = "APP_TEST_DATABASE_URL"

// Limits are short, so that tests are, and long enough for a machine that has
// other things to do.
var Limits = database.Limits{Connections: 3, Connect: 2 * time.Second, Acquire: 2 * time.Second, Query: time.Second}

// Database is one test's own.
type Database struct {
	t     *testing.T
	Name  string
	User  string // may log in, and nothing else yet
	admin *url.URL
	app   *url.URL
}

// New makes a database and a user that are gone after the test.
func New(t *testing.T) *Database {
	t.Helper()
	given := os.Getenv(variable)
	if given == "" {
		t.Skip(variable + " is not set")
	}
	cluster, err := url.Parse(given)
	if err != nil {
		t.Fatal(variable + " is no URL")
	}
	suffix, password := strings.ToLower(rand.Text()[:10]), rand.Text()
	d := &Database{t: t, Name: "test_" + suffix, User: "app_" + suffix}
	d.admin, d.app = copied(cluster), copied(cluster)
	d.admin.Path, d.app.Path = "/"+d.Name, "/"+d.Name
	d.app.User = url.UserPassword(d.User, password)

	outer := connect(t, cluster.String())
	execute(t, outer, "CREATE DATABASE "+d.Name)
	execute(t, outer, "CREATE ROLE "+d.User+" LOGIN PASSWORD '"+password+"'")
	t.Cleanup(func() {
		execute(t, outer, "GRANT "+d.User+" TO CURRENT_USER") // who may then end its connections
		if _, err := outer.Exec(context.Background(), "DROP DATABASE "+d.Name+" WITH (FORCE)"); err != nil {
			execute(t, outer, "DROP DATABASE "+d.Name) // autovacuum was there: it gives way to this
		}
		execute(t, outer, "DROP ROLE "+d.User)
		_ = outer.Close(context.Background())
	})
	return d
}

func copied(address *url.URL) *url.URL {
	other := *address
	return &other
}

// AdminURL is the administrator's.
func (d *Database) AdminURL() string { return d.admin.String() }

// AppURL is the user's.
func (d *Database) AppURL() string { return d.app.String() }

// Admin is the configuration of the administrator's connections.
func (d *Database) Admin() *pgx.ConnConfig { return config(d.t, d.AdminURL()) }

// App is the configuration of the user's connections.
func (d *Database) App() *pgx.ConnConfig { return config(d.t, d.AppURL()) }

// Execute runs a statement as the administrator.
func (d *Database) Execute(statement string, arguments ...any) {
	d.t.Helper()
	connection := d.Connect(d.Admin())
	execute(d.t, connection, statement, arguments...)
	_ = connection.Close(context.Background())
}

// Number asks for one as the administrator.
func (d *Database) Number(query string, arguments ...any) int64 {
	d.t.Helper()
	connection := d.Connect(d.Admin())
	defer func() { _ = connection.Close(context.Background()) }()
	var number int64
	if err := connection.QueryRow(context.Background(), query, arguments...).Scan(&number); err != nil {
		d.t.Fatal(err)
	}
	return number
}

// Connect opens a connection for the time of the test.
func (d *Database) Connect(config *pgx.ConnConfig) *pgx.Conn {
	d.t.Helper()
	connection, err := pgx.ConnectConfig(context.Background(), config)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = connection.Close(context.Background()) })
	return connection
}

// Pool opens a pool for the time of the test.
func (d *Database) Pool(config *pgx.ConnConfig) *database.Pool {
	d.t.Helper()
	pool, err := database.Open(config, Limits)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(pool.Close)
	return pool
}

func config(t *testing.T, address string) *pgx.ConnConfig {
	t.Helper()
	config, err := database.Config(address, "")
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	connection, err := pgx.ConnectConfig(context.Background(), config(t, address))
	if err != nil {
		t.Fatal(err)
	}
	return connection
}

func execute(t *testing.T, connection *pgx.Conn, statement string, arguments ...any) {
	t.Helper()
	if _, err := connection.Exec(context.Background(), statement, arguments...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
