package schema

import (
	"fmt"

	"app/internal/database"
)

// Reasons of a Failure.
const (
	Unreachable = "unreachable" // the database does not answer
	Password    = "password"    // it refuses the login
	Locked      = "locked"      // another migration, or somebody else, holds a lock
	Timeout     = "timeout"     // it took longer than it may
	Broken      = "migration"   // the database refuses a statement of a migration
	Unfit       = "schema"      // the database or the rights in it are not what they should be
)

// Failure says in a sentence why nothing, or no more, was done.
type Failure struct {
	Reason  string
	Version int64 // of the migration that failed; 0 when it was none
	message string
}

func (f *Failure) Error() string { return f.message }

// Fail says what was attempted, and what the database said to it.
func Fail(attempt string, err error) *Failure {
	return &Failure{Reason: Reason(err), message: fmt.Sprintf("%s: %s", attempt, database.Explain(err))}
}

// Reason is the word for an error of the database outside a migration.
func Reason(err error) string {
	if database.IsLockTimeout(err) {
		return Locked
	}
	if database.IsCancelled(err) {
		return Timeout
	}
	switch reason, _ := database.ReasonOf(err); reason {
	case database.Away:
		return Unreachable
	case database.Credentials:
		return Password
	}
	return Unfit
}
