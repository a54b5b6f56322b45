package store

import (
	"time"

	"github.com/jackc/pgx/v5"
)

// Note is a short text that somebody left. The queries below return its fields
// in this order.
type Note struct {
	ID        int64     `json:"id"`
	Body      string    `json:"body"`
	CreatedAt time.Time `json:"created_at"`
	Author    string    `json:"author"`
}

// Every query the app uses. Columns are named, never *: a column that a later
// version adds is not this version's business.
var (
	schemaVersion = declare("schema version", `
		SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`,
		pgx.RowTo[int64])

	createNote = declare("create note", `
		INSERT INTO notes (text) VALUES ($1) RETURNING id, text, created_at, author`,
		pgx.RowToStructByPos[Note])

	readNote = declare("read note", `
		SELECT id, text, created_at, author FROM notes WHERE id = $1`,
		pgx.RowToStructByPos[Note])

	listNotes = declare("list notes", `
		SELECT id, text, created_at, author FROM notes WHERE id < $1 ORDER BY id DESC LIMIT $2`,
		pgx.RowToStructByPos[Note])

	deleteNote = declare("delete note", `
		DELETE FROM notes WHERE id = $1 RETURNING id`,
		pgx.RowTo[int64])
)
