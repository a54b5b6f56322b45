package web

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"app/internal/store"
)

const (
	defaultLimit = 50
	maxLimit     = 100
)

// api is the notes as JSON.
type api struct{ Site }

// list answers with a page of notes, the newest first, and in next the value of
// before for the page after it; null when there is none.
func (a api) list(c *gin.Context) {
	limit, okLimit := numberOr(c.Query("limit"), defaultLimit, maxLimit)
	before, okBefore := numberOr(c.Query("before"), math.MaxInt64, math.MaxInt64)
	if !okLimit || !okBefore {
		message := "limit is a number from 1 to " + strconv.Itoa(maxLimit) + ", and before the id of a note"
		c.JSON(http.StatusUnprocessableEntity, gin.H{"error": message})
		return
	}
	notes, next, err := newest(c, a.Notes, before, int(limit))
	if err != nil {
		a.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"notes": notes, "next": next})
}

func (a api) read(c *gin.Context) {
	note, err := a.Notes.Read(c.Request.Context(), id(c))
	if err != nil {
		a.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, note)
}

func (a api) create(c *gin.Context) {
	text, status, sentence := decode(c.Request)
	if status != 0 {
		c.JSON(status, gin.H{"error": sentence})
		return
	}
	if err := a.mayWrite(bearer(c)); err != nil {
		a.fail(c, err)
		return
	}
	note, err := a.Notes.Create(c.Request.Context(), text)
	if err != nil {
		a.fail(c, err)
		return
	}
	c.Header("Location", "/api/notes/"+strconv.FormatInt(note.ID, 10))
	c.JSON(http.StatusCreated, note)
}

func (a api) remove(c *gin.Context) {
	err := a.mayWrite(bearer(c))
	if err == nil {
		err = a.Notes.Delete(c.Request.Context(), id(c))
	}
	if err != nil {
		a.fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

func (a api) fail(c *gin.Context, err error) {
	refused := a.refuse(c.GetString(requestIDHeader), err)
	body := gin.H{"error": refused.sentence}
	if errors.Is(err, errForbidden) {
		refused.status = http.StatusUnauthorized
		c.Header("WWW-Authenticate", "Bearer")
	}
	if refused.reason != "" {
		body["reason"] = refused.reason
		c.Header("Retry-After", "1")
	}
	c.JSON(refused.status, body)
}

// decode reads {"body": "…"}, and nothing else; the status is 0 when it is that.
func decode(request *http.Request) (text string, status int, sentence string) {
	if kind, _, err := mime.ParseMediaType(request.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return "", http.StatusUnsupportedMediaType, "A note is sent as application/json."
	}
	var note struct {
		Body *string `json:"body"`
	}
	decoder := json.NewDecoder(request.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&note)
	if err == nil && decoder.Decode(new(json.RawMessage)) != io.EOF {
		return "", http.StatusBadRequest, "There is more than one JSON value."
	}
	var tooLarge *http.MaxBytesError
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &tooLarge):
		return "", http.StatusRequestEntityTooLarge, http.StatusText(http.StatusRequestEntityTooLarge)
	case err == nil && note.Body == nil, errors.As(err, &mistyped),
		err != nil && strings.HasPrefix(err.Error(), "json: unknown field"):
		return "", http.StatusUnprocessableEntity, `A note is {"body": "its text"}.`
	case err != nil:
		return "", http.StatusBadRequest, "That is not JSON."
	}
	return *note.Body, 0, ""
}

// newest is a page of notes, and the id before which the next one begins.
func newest(c *gin.Context, notes Notes, before int64, limit int) ([]store.Note, *int64, error) {
	found, err := notes.List(c.Request.Context(), before, limit+1)
	if err != nil {
		return nil, nil, err
	}
	if len(found) <= limit {
		return found, nil, nil
	}
	found = found[:limit]
	return found, &found[limit-1].ID, nil
}

func numberOr(text string, fallback, most int64) (int64, bool) {
	if text == "" {
		return fallback, true
	}
	number, err := strconv.ParseInt(text, 10, 64)
	return number, err == nil && number >= 1 && number <= most
}

// id is the note that a path names; 0, which no note has, when it is no number.
func id(c *gin.Context) int64 {
	number, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil {
		return 0
	}
	return number
}

func bearer(c *gin.Context) string {
	token, _ := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
	return token
}
