package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"app/internal/database"
)

// Failure is a query that does not do what the app needs of it.
type Failure struct {
	Query string `json:"query"`
	Error string `json:"error"`
}

// Outcome is what Contract found.
type Outcome struct {
	Queries  int       `json:"queries"`
	Failures []Failure `json:"failures"`
}

const sample = "Tried by the contract, and rolled back."

// Contract runs every query of the app in one transaction that is rolled back:
// a note is written, found again as it was written, listed and deleted. Each
// query stands in a savepoint and has the given time, so that one failure does
// not hide another. The error is for a database that cannot be asked at all.
func Contract(ctx context.Context, connection *pgx.Conn, needed int64, limit time.Duration) (Outcome, error) {
	transaction, err := connection.Begin(ctx)
	if err != nil {
		return Outcome{}, err
	}
	defer func() { _ = transaction.Rollback(context.WithoutCancel(ctx)) }()

	trial := trial{transaction: transaction, limit: limit, outcome: Outcome{Failures: []Failure{}}}
	trial.exercise(ctx, needed)
	return trial.outcome, nil
}

// trial is a run of the contract.
type trial struct {
	transaction pgx.Tx
	limit       time.Duration
	outcome     Outcome
	tried       []string
}

func (t *trial) exercise(ctx context.Context, needed int64) {
	var note Note
	t.try(ctx, schemaVersion.name, func(ctx context.Context, s session) error {
		current, err := s.version(ctx)
		if err == nil && current < needed {
			return fmt.Errorf("the schema is at %d, and this version needs %d", current, needed)
		}
		return err
	})
	created := t.try(ctx, createNote.name, func(ctx context.Context, s session) (err error) {
		note, err = s.create(ctx, sample)
		return kept(note, err)
	})
	// Without a note the others still have to run; they just find nothing.
	absent := func(err error) error {
		if !created && errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	}
	t.try(ctx, readNote.name, func(ctx context.Context, s session) error {
		found, err := s.read(ctx, note.ID)
		if err == nil {
			err = kept(found, nil)
		}
		return absent(err)
	})
	t.try(ctx, listNotes.name, func(ctx context.Context, s session) error {
		found, err := s.list(ctx, math.MaxInt64, 1)
		if err == nil && created && (len(found) != 1 || found[0].ID != note.ID) {
			return errors.New("the newest note is not the one that was just written")
		}
		return err
	})
	t.try(ctx, deleteNote.name, func(ctx context.Context, s session) error {
		_, err := s.delete(ctx, note.ID)
		return absent(err)
	})
}

// kept says whether a note came back as it was written.
func kept(note Note, err error) error {
	switch {
	case err != nil:
		return err
	case note.Body != sample:
		return errors.New("the text came back changed")
	case note.ID <= 0 || note.CreatedAt.IsZero():
		return errors.New("the note came back without an id or a time")
	}
	return nil
}

// try runs one query and says whether it did what it should.
func (t *trial) try(ctx context.Context, name string, run func(context.Context, session) error) bool {
	t.outcome.Queries++
	t.tried = append(t.tried, name)
	ctx, cancel := context.WithTimeout(ctx, t.limit)
	defer cancel()
	err := t.inSavepoint(ctx, run)
	if err != nil {
		t.outcome.Failures = append(t.outcome.Failures, Failure{Query: name, Error: database.Explain(err)})
	}
	return err == nil
}

func (t *trial) inSavepoint(ctx context.Context, run func(context.Context, session) error) error {
	savepoint, err := t.transaction.Begin(ctx)
	if err != nil {
		return err
	}
	if err := run(ctx, session{savepoint}); err != nil {
		_ = savepoint.Rollback(context.WithoutCancel(ctx))
		return err
	}
	return savepoint.Commit(ctx)
}
