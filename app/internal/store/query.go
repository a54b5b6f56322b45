package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"app/internal/database"
)

// query is a statement of the app, and how a row of its answer is read. All
// there are, are declared in queries.go; nothing else in the app sends SQL.
type query[Row any] struct {
	name string
	sql  string
	read pgx.RowToFunc[Row]
}

// declared are the names of all queries, in the order of their declaration.
var declared []string

func declare[Row any](name, sql string, read pgx.RowToFunc[Row]) query[Row] {
	declared = append(declared, name)
	return query[Row]{name: name, sql: sql, read: read}
}

func (q query[Row]) all(ctx context.Context, db database.Querier, arguments ...any) ([]Row, error) {
	rows, err := db.Query(ctx, q.sql, arguments...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, q.read)
}

// one wants exactly one row; none is pgx.ErrNoRows.
func (q query[Row]) one(ctx context.Context, db database.Querier, arguments ...any) (Row, error) {
	rows, err := db.Query(ctx, q.sql, arguments...)
	if err != nil {
		var none Row
		return none, err
	}
	return pgx.CollectExactlyOneRow(rows, q.read)
}
