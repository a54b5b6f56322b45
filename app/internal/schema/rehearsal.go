package schema

import (
	"context"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"

	"app/internal/database"
)

// The name says what a database is for: none with another name is ever migrated
// as a rehearsal, or dropped.
var rehearsalName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,50}_rehearsal$`)

const exists = `SELECT count(*) > 0 FROM pg_database WHERE datname = $1`

// rehearsalOf is the database in which another one's migrations are rehearsed.
func rehearsalOf(name string) string { return name + "_rehearsal" }

// CheckRehearsal says what is wrong with the name of a rehearsal's database.
func CheckRehearsal(name string) error {
	if !rehearsalName.MatchString(name) {
		return fmt.Errorf("%q cannot be a rehearsal's database: small letters, digits and underscores, ending in _rehearsal", name)
	}
	return nil
}

// rehearse makes the database, unless it was made before.
func rehearse(ctx context.Context, holder *pgx.Conn, name string) error {
	var found bool
	err := holder.QueryRow(ctx, exists, name).Scan(&found)
	if err == nil && !found {
		_, err = holder.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	}
	if err != nil {
		return Fail(fmt.Sprintf("the database %s cannot be made", name), err)
	}
	return nil
}

// drop removes the database, whoever is connected to it; one that is not there is fine.
func drop(ctx context.Context, holder *pgx.Conn, name string) error {
	statement := "DROP DATABASE IF EXISTS " + pgx.Identifier{name}.Sanitize()
	_, err := holder.Exec(ctx, statement+" WITH (FORCE)")
	if reason, _ := database.ReasonOf(err); err != nil && reason == database.Schema {
		// An administrator that may not end the connections of others; they may end by themselves.
		_, err = holder.Exec(ctx, statement)
	}
	if err != nil {
		return Fail(fmt.Sprintf("the database %s cannot be removed", name), err)
	}
	return nil
}
