package database

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Limits bound the pool and every wait for the database.
type Limits struct {
	Connections int           // open at the same time
	Connect     time.Duration // for a new connection, TLS and login included
	Acquire     time.Duration // for a connection to become free
	Query       time.Duration // for what is done with it
}

// Querier is a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
}

// Pool is safe for concurrent use. It is usable while the database is away:
// each use then fails within Limits, and the first after it is back succeeds.
type Pool struct {
	pool   *pgxpool.Pool
	limits Limits
}

// Open makes a pool that connects when it is first used.
func Open(connection *pgx.ConnConfig, limits Limits) (*Pool, error) {
	connection = connection.Copy()
	connection.ConnectTimeout = limits.Connect
	config, err := pgxpool.ParseConfig("")
	if err != nil {
		return nil, err
	}
	config.ConnConfig = connection
	config.MaxConns = int32(limits.Connections)
	config.MinConns, config.MinIdleConns = 0, 0
	config.MaxConnLifetime = 30 * time.Minute
	config.MaxConnLifetimeJitter = 5 * time.Minute
	// A warm standby gives its connections back: a small database has few.
	config.MaxConnIdleTime = 2 * time.Minute
	config.PingTimeout = limits.Acquire
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, err
	}
	return &Pool{pool: pool, limits: limits}, nil
}

// Do hands a connection to use, for at most Limits.Query.
func (p *Pool) Do(ctx context.Context, use func(context.Context, Querier) error) error {
	connection, err := p.acquire(ctx)
	if err != nil {
		return err
	}
	defer connection.Release()
	ctx, cancel := context.WithTimeout(ctx, p.limits.Query)
	defer cancel()
	return use(ctx, connection)
}

func (p *Pool) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.limits.Acquire)
	defer cancel()
	connection, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("no connection within %s: %w", p.limits.Acquire, err)
	}
	return connection, nil
}

// Close waits until no connection is in use.
func (p *Pool) Close() { p.pool.Close() }
