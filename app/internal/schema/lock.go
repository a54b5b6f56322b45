package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"app/internal/database"
)

// One migration at a time in a database, rehearsals of it included. The number
// must stay: versions of the app exclude each other by it.
const (
	lockKey = 0x736c6970776179 // "slipway"
	lock    = `SELECT pg_advisory_lock($1)`
)

// locked returns a connection that holds the lock for as long as it is open.
func locked(ctx context.Context, config *pgx.ConnConfig, patience time.Duration) (*pgx.Conn, error) {
	connection, err := connect(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err := connection.Exec(ctx, lock, int64(lockKey)); err != nil {
		closing(ctx, connection)
		if database.IsLockTimeout(err) {
			message := fmt.Sprintf("another migration is running: its lock was not free within %s", patience)
			return nil, &Failure{Reason: Locked, message: message}
		}
		return nil, Fail("the lock for migrations cannot be taken", err)
	}
	return connection, nil
}

func connect(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	connection, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, Fail("the database cannot be reached", err)
	}
	return connection, nil
}

func closing(ctx context.Context, connection *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = connection.Close(ctx)
}
