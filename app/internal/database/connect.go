// Package database connects: one connection for the commands, a pool for the
// service, every wait bounded, and no sentence that carries a password.
package database

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// A statement that is given up is cancelled on the server, whose answer is
// waited for this long before the connection itself is given up.
const cancelGrace = time.Second

// Config is the configuration of one connection. With a CA (PEM) the server is
// verified against it and by its name, whatever sslmode says; an sslmode that
// asks for no TLS is refused then.
func Config(address, ca string) (*pgx.ConnConfig, error) {
	if !IsURL(address) {
		return nil, errors.New("the database's URL should be postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…")
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("the database's URL is not understood: %w", err)
	}
	if ca != "" {
		if err := verify(&config.Config, ca); err != nil {
			return nil, err
		}
	}
	// Nothing is prepared or cached, so a migration below a running release
	// cannot make a plan of its stale; and PgBouncer is no obstacle.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.BuildContextWatcherHandler = func(connection *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: connection, DeadlineDelay: cancelGrace}
	}
	config.RuntimeParams["application_name"] = "app"
	return config, nil
}

// IsURL says whether an address names a user, a host and a database of a PostgreSQL.
func IsURL(address string) bool {
	parsed, err := url.Parse(address)
	return err == nil && (parsed.Scheme == "postgres" || parsed.Scheme == "postgresql") &&
		parsed.Hostname() != "" && parsed.User.Username() != "" && len(parsed.Path) > 1
}

func verify(config *pgconn.Config, ca string) error {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(ca)) {
		return errors.New("the database's CA holds no certificate in PEM")
	}
	if config.TLSConfig == nil {
		return errors.New("the database's URL asks for no TLS, and yet there is a CA to verify it by")
	}
	config.TLSConfig = &tls.Config{RootCAs: roots, ServerName: config.Host, MinVersion: tls.VersionTLS12}
	config.Fallbacks = nil
	return nil
}
