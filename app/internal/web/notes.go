package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"

	"app/internal/database"
	"app/internal/store"
)

// Notes are kept somewhere else; *store.Store does it.
type Notes interface {
	Create(ctx context.Context, text string) (store.Note, error)
	Read(ctx context.Context, id int64) (store.Note, error)
	List(ctx context.Context, before int64, limit int) ([]store.Note, error)
	Delete(ctx context.Context, id int64) error
}

// refusal is what somebody gets who cannot have what he asked for.
type refusal struct {
	status   int
	sentence string
	reason   database.Reason // with 503 only
}

var sentences = map[database.Reason]string{
	database.Away:        "The notes are away: the database does not answer. Try again in a moment.",
	database.Credentials: "The notes are away: the database refuses the login. Try again later.",
	database.Schema:      "The notes are away: the database is not prepared for this version. Try again later.",
}

var errForbidden = errors.New("the write token is missing or wrong")

// refuse turns an error of the notes into an answer. What the database said is
// for the log and never part of it.
func (s Site) refuse(id string, err error) refusal {
	var invalid store.InvalidError
	switch {
	case errors.As(err, &invalid):
		return refusal{status: http.StatusUnprocessableEntity, sentence: invalid.Error()}
	case errors.Is(err, store.ErrNotFound):
		return refusal{status: http.StatusNotFound, sentence: "There is no such note."}
	case errors.Is(err, errForbidden):
		return refusal{status: http.StatusForbidden, sentence: "Writing needs the write token, and this is not it."}
	}
	reason, known := database.ReasonOf(err)
	if !known {
		s.Logger.Error("notes", "id", id, "error", database.Explain(err))
		return refusal{status: http.StatusInternalServerError, sentence: http.StatusText(http.StatusInternalServerError)}
	}
	s.Logger.Warn("notes", "id", id, "reason", reason, "error", database.Explain(err))
	return refusal{status: http.StatusServiceUnavailable, sentence: sentences[reason], reason: reason}
}

// mayWrite compares in a time that does not depend on where the tokens differ.
func (s Site) mayWrite(token string) error {
	given, wanted := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.WriteToken))
	if s.WriteToken != "" && subtle.ConstantTimeCompare(given[:], wanted[:]) != 1 {
		return errForbidden
	}
	return nil
}
