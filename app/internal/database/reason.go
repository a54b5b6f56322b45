package database

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Reason is why something did not work, in a word that anybody may read.
type Reason string

const (
	Away        Reason = "database"    // it does not answer, or not in time
	Credentials Reason = "credentials" // it refuses the login
	Schema      Reason = "schema"      // it lacks a table, a column or a right that is needed
)

// SQLSTATE codes, from PostgreSQL's appendix A.
const (
	insufficientPrivilege = "42501"
	lockNotAvailable      = "55P03"
	queryCanceled         = "57014"
	undefinedDatabase     = "3D000"
)

// ReasonOf classifies an error of this package. The second value is false for
// one that blames the caller's statement and not the state of the database.
func ReasonOf(err error) (Reason, bool) {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return Away, true
	}
	switch class := refused.Code[:2]; {
	case class == "28": // invalid authorization
		return Credentials, true
	case refused.Code == insufficientPrivilege, refused.Code == undefinedDatabase, strings.HasPrefix(refused.Code, "42"):
		return Schema, true
	case class == "08", class == "53", class == "57", class == "58", class == "25", refused.Code == lockNotAvailable:
		return Away, true // connection, resources, an operator, the system, read-only while it fails over
	}
	return "", false
}

// IsLockTimeout says whether a lock was not free within lock_timeout.
func IsLockTimeout(err error) bool { return has(err, lockNotAvailable) }

// IsCancelled says whether the server ended a statement, for statement_timeout or on request.
func IsCancelled(err error) bool { return has(err, queryCanceled) }

// IsRefusal says whether the server itself refused, connected and alive.
func IsRefusal(err error) bool {
	reason, known := ReasonOf(err)
	return !known || reason == Schema
}

func has(err error, code string) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == code
}

// Explain is the error as part of a sentence: the server's own words where
// there are any, and never more than one line.
func Explain(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return fmt.Sprintf("%s (SQLSTATE %s)", refused.Message, refused.Code)
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}
