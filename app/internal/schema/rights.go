package schema

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// AppRole is the group that the app's users are members of. It reads and
// writes rows and can change no table.
const AppRole = "app_rw"

// A cluster has its roles in common: another database may have made it, even now.
const makeRole = `
	DO $$ BEGIN
		CREATE ROLE app_rw NOLOGIN;
	EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
	END $$`

// Only what the administrator owns: extensions put tables of others there.
const ownTables = `
	SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
	WHERE schemaname = 'public' AND tableowner = current_user`

const ownSequences = `
	SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences
	WHERE schemaname = 'public' AND sequenceowner = current_user`

// grant gives the app what it needs and takes the rest from everybody, in one
// transaction; role becomes a member, unless it is empty.
func grant(ctx context.Context, connection *pgx.Conn, name, role string) error {
	transaction, err := connection.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = transaction.Rollback(context.WithoutCancel(ctx)) }()
	statements, err := rights(ctx, transaction, pgx.Identifier{name}.Sanitize())
	if err != nil {
		return err
	}
	if role != "" {
		statements = append(statements, "GRANT "+AppRole+" TO "+pgx.Identifier{role}.Sanitize())
	}
	for _, statement := range statements {
		if _, err := transaction.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return transaction.Commit(ctx)
}

func rights(ctx context.Context, transaction pgx.Tx, name string) ([]string, error) {
	statements := []string{
		makeRole,
		"REVOKE CONNECT, TEMPORARY ON DATABASE " + name + " FROM PUBLIC",
		"REVOKE CREATE ON SCHEMA public FROM PUBLIC",
		"GRANT CONNECT ON DATABASE " + name + " TO " + AppRole,
		"GRANT USAGE ON SCHEMA public TO " + AppRole,
		"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO " + AppRole,
		"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO " + AppRole,
	}
	tables, err := names(ctx, transaction, ownTables)
	if err != nil {
		return nil, err
	}
	sequences, err := names(ctx, transaction, ownSequences)
	if err != nil {
		return nil, err
	}
	if tables != "" {
		statements = append(statements, "GRANT SELECT, INSERT, UPDATE, DELETE ON "+tables+" TO "+AppRole)
	}
	if sequences != "" {
		statements = append(statements, "GRANT USAGE ON SEQUENCE "+sequences+" TO "+AppRole)
	}
	// The app reads where the schema stands, and does not say so itself.
	return append(statements, "REVOKE INSERT, UPDATE, DELETE ON goose_db_version FROM "+AppRole), nil
}

func names(ctx context.Context, transaction pgx.Tx, query string) (string, error) {
	rows, err := transaction.Query(ctx, query)
	if err != nil {
		return "", err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(found, ", "), err
}
