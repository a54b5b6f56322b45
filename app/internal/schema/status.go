package schema

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Status is where a database stands.
type Status struct {
	Current int64   `json:"current"`
	Latest  int64   `json:"latest"`
	Pending []int64 `json:"pending"`
}

const (
	tableExists    = `SELECT to_regclass('goose_db_version') IS NOT NULL`
	currentVersion = `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`
)

// current is the last migration that a database has; 0 for a new one, which is
// left as it is.
func current(ctx context.Context, connection *pgx.Conn) (int64, error) {
	var exists bool
	if err := connection.QueryRow(ctx, tableExists).Scan(&exists); err != nil || !exists {
		return 0, err
	}
	var version int64
	err := connection.QueryRow(ctx, currentVersion).Scan(&version)
	return version, err
}

// pending are the migrations after current, up to and including to.
func pending(migrations []Migration, current, to int64) []Migration {
	var steps []Migration
	for _, migration := range migrations {
		if migration.Version > current && migration.Version <= to {
			steps = append(steps, migration)
		}
	}
	return steps
}
