// Package store is what the app keeps in its database: notes. Its queries are
// declared in one file, used by the service, and tried by Contract.
package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"app/internal/database"
)

// ErrNotFound says that there is no such note.
var ErrNotFound = errors.New("there is no such note")

// Store keeps notes. It is safe for concurrent use; its errors are ErrNotFound,
// InvalidError or what database.ReasonOf understands.
type Store struct{ pool *database.Pool }

// New returns the store behind a pool.
func New(pool *database.Pool) *Store { return &Store{pool: pool} }

// Create keeps a text, and returns it as it is kept.
func (s *Store) Create(ctx context.Context, text string) (Note, error) {
	body, err := Body(text)
	if err != nil {
		return Note{}, err
	}
	return with(ctx, s.pool, func(ctx context.Context, c session) (Note, error) { return c.create(ctx, body) })
}

// Read returns one note.
func (s *Store) Read(ctx context.Context, id int64) (Note, error) {
	return with(ctx, s.pool, func(ctx context.Context, c session) (Note, error) { return c.read(ctx, id) })
}

// List returns at most limit notes with ids below before, the newest first.
func (s *Store) List(ctx context.Context, before int64, limit int) ([]Note, error) {
	return with(ctx, s.pool, func(ctx context.Context, c session) ([]Note, error) { return c.list(ctx, before, limit) })
}

// Delete forgets a note.
func (s *Store) Delete(ctx context.Context, id int64) error {
	_, err := with(ctx, s.pool, func(ctx context.Context, c session) (int64, error) { return c.delete(ctx, id) })
	return err
}

// SchemaVersion returns the last migration that the database has.
func (s *Store) SchemaVersion(ctx context.Context) (int64, error) {
	return with(ctx, s.pool, func(ctx context.Context, c session) (int64, error) { return c.version(ctx) })
}

func with[T any](ctx context.Context, pool *database.Pool, use func(context.Context, session) (T, error)) (T, error) {
	var result T
	err := pool.Do(ctx, func(ctx context.Context, db database.Querier) (err error) {
		result, err = use(ctx, session{db})
		return err
	})
	return result, err
}

// session is the store on one connection or in one transaction.
type session struct{ db database.Querier }

func (s session) version(ctx context.Context) (int64, error) { return schemaVersion.one(ctx, s.db) }

func (s session) create(ctx context.Context, body string) (Note, error) {
	return createNote.one(ctx, s.db, body)
}

func (s session) read(ctx context.Context, id int64) (Note, error) {
	note, err := readNote.one(ctx, s.db, id)
	return note, notFound(err)
}

func (s session) list(ctx context.Context, before int64, limit int) ([]Note, error) {
	return listNotes.all(ctx, s.db, before, limit)
}

func (s session) delete(ctx context.Context, id int64) (int64, error) {
	deleted, err := deleteNote.one(ctx, s.db, id)
	return deleted, notFound(err)
}

func notFound(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	return err
}
