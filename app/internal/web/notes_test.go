package web

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"app/internal/store"
)

const json_ = "application/json"

// memory keeps notes for a test; with a fault it keeps nothing.
type memory struct {
	notes []store.Note
	last  int64
	fault error
}

func (m *memory) Create(_ context.Context, text string) (store.Note, error) {
	body, err := store.Body(text)
	if err == nil {
		err = m.fault
	}
	if err != nil {
		return store.Note{}, err
	}
	m.last++
	note := store.Note{ID: m.last, Body: body, CreatedAt: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)}
	m.notes = append(m.notes, note)
	return note, nil
}

func (m *memory) find(id int64) (int, error) {
	if m.fault != nil {
		return 0, m.fault
	}
	at := slices.IndexFunc(m.notes, func(note store.Note) bool { return note.ID == id })
	if at < 0 {
		return 0, store.ErrNotFound
	}
	return at, nil
}

func (m *memory) Read(_ context.Context, id int64) (store.Note, error) {
	at, err := m.find(id)
	if err != nil {
		return store.Note{}, err
	}
	return m.notes[at], nil
}

func (m *memory) List(_ context.Context, before int64, limit int) ([]store.Note, error) {
	found := []store.Note{}
	for _, note := range slices.Backward(m.notes) {
		if note.ID < before && len(found) < limit {
			found = append(found, note)
		}
	}
	return found, m.fault
}

func (m *memory) Delete(_ context.Context, id int64) error {
	at, err := m.find(id)
	if err == nil {
		m.notes = slices.Delete(m.notes, at, at+1)
	}
	return err
}

// client asks one site again and again.
type client struct {
	t     *testing.T
	site  Site
	notes *memory
	log   strings.Builder
}

func newClient(t *testing.T) *client {
	c := &client{t: t, notes: &memory{}}
	c.site = site(readyState(), slog.New(slog.NewJSONHandler(&c.log, nil)))
	c.site.Notes = c.notes
	return c
}

func (c *client) send(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	c.t.Helper()
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	c.site.handler().ServeHTTP(recorder, request)
	return recorder
}

func (c *client) post(body string) *httptest.ResponseRecorder {
	c.t.Helper()
	return c.send(http.MethodPost, "/api/notes", body, "Content-Type", json_)
}

func (c *client) form(path string, values url.Values, headers ...string) *httptest.ResponseRecorder {
	c.t.Helper()
	headers = append(headers, "Content-Type", "application/x-www-form-urlencoded")
	return c.send(http.MethodPost, path, values.Encode(), headers...)
}

func expect(t *testing.T, response *httptest.ResponseRecorder, code int, fragments ...string) {
	t.Helper()
	if response.Code != code {
		t.Errorf("got %d %s, want %d", response.Code, response.Body, code)
	}
	for _, fragment := range fragments {
		if !strings.Contains(response.Body.String(), fragment) {
			t.Errorf("%q is not in %s", fragment, response.Body)
		}
	}
}

func TestANoteIsWrittenReadListedAndDeleted(t *testing.T) {
	c := newClient(t)
	created := c.post(`{"body": "  first\r\nnote  "}`)
	expect(t, created, 201, `{"id":1,"body":"first\nnote","created_at":"2026-11-21T10:00:00Z"}`)
	if got := created.Header().Get("Location"); got != "/api/notes/1" {
		t.Errorf("Location is %q", got)
	}
	expect(t, c.send("GET", "/api/notes/1", ""), 200, `"body":"first\nnote"`)
	expect(t, c.send("GET", "/api/notes", ""), 200, `{"next":null,"notes":[{"id":1,`)
	expect(t, c.send("DELETE", "/api/notes/1", ""), 204)
	expect(t, c.send("DELETE", "/api/notes/1", ""), 404, "There is no such note.")
	expect(t, c.send("GET", "/api/notes", ""), 200, `{"next":null,"notes":[]}`)
}

func TestNotesComeInPages(t *testing.T) {
	c := newClient(t)
	for i := range 5 {
		c.post(fmt.Sprintf(`{"body": "note %d"}`, i))
	}
	seen, before := []int64{}, ""
	for range 3 {
		var page struct {
			Notes []store.Note
			Next  *int64
		}
		if err := json.Unmarshal(c.send("GET", "/api/notes?limit=2"+before, "").Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		for _, note := range page.Notes {
			seen = append(seen, note.ID)
		}
		if page.Next == nil {
			break
		}
		before = fmt.Sprintf("&before=%d", *page.Next)
	}
	if !slices.Equal(seen, []int64{5, 4, 3, 2, 1}) {
		t.Errorf("got %v", seen)
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=x", "before=0", "before=-1", "before=1e3"} {
		expect(t, c.send("GET", "/api/notes?"+query, ""), 422, "error")
	}
}

func TestWhatIsNoNoteIsRefused(t *testing.T) {
	c := newClient(t)
	for body, code := range map[string]int{
		`{`:                      400,
		``:                       400,
		`{"body": "a"} {}`:       400,
		`{"body": "a"} x`:        400,
		`[]`:                     422,
		`{}`:                     422,
		`{"body": null}`:         422,
		`{"body": 1}`:            422,
		`{"body": "a", "b": 1}`:  422,
		`{"body": " \n "}`:       422,
		`{"body": "a\u0000b"}`:   422,
		`{"body": "a\u001b[2J"}`: 422,
		`{"body": "` + strings.Repeat("é", store.MaxNote+1) + `"}`: 422,
		`{"body": "` + strings.Repeat("x", maxBody) + `"}`:         413,
	} {
		expect(t, c.post(body), code, "error")
	}
	expect(t, c.send("POST", "/api/notes", `{"body": "a"}`, "Content-Type", "text/plain"), 415)
	expect(t, c.send("POST", "/api/notes", `{"body": "a"}`), 415)
	expect(t, c.send("PUT", "/api/notes", ""), 405)
	expect(t, c.send("GET", "/api/notes/x", ""), 404)
	expect(t, c.send("GET", "/api/notes/99999999999999999999", ""), 404)
	if len(c.notes.notes) != 0 {
		t.Errorf("kept: %v", c.notes.notes)
	}
	expect(t, c.post(`{"body": "`+strings.Repeat("é", store.MaxNote)+`"}`), 201)
}

func TestABodyOfUnknownLengthThatIsTooLargeIsA413(t *testing.T) {
	c := newClient(t)
	request := httptest.NewRequest("POST", "/api/notes", strings.NewReader(`{"body": "`+strings.Repeat("x", maxBody)))
	request.Header.Set("Content-Type", json_)
	request.ContentLength = -1
	recorder := httptest.NewRecorder()
	c.site.handler().ServeHTTP(recorder, request)
	expect(t, recorder, 413)
}

func TestWhileTheDatabaseIsAwayTheAnswerSaysSo(t *testing.T) {
	for reason, fault := range map[string]error{
		"database":    context.DeadlineExceeded,
		"credentials": &pgconn.PgError{Code: "28P01", Message: "password authentication failed"},
		"schema":      &pgconn.PgError{Code: "42P01", Message: `relation "notes" does not exist`},
	} {
		c := newClient(t)
		c.notes.fault = fault
		for _, answer := range []*httptest.ResponseRecorder{
			c.post(`{"body": "a"}`), c.send("GET", "/api/notes", ""), c.send("GET", "/api/notes/1", ""),
			c.send("DELETE", "/api/notes/1", ""),
		} {
			expect(t, answer, 503, "The notes are away", `"reason":"`+reason+`"`)
			if answer.Header().Get("Retry-After") != "1" {
				t.Error("no Retry-After")
			}
			if strings.Contains(answer.Body.String(), "notes does not exist") {
				t.Error("the database's own words are for the log")
			}
		}
		expect(t, c.send("GET", "/", ""), 503, "The notes are away", sample.Version)
		expect(t, c.form("/notes", url.Values{"body": {"my <draft>"}}), 503, "The notes are away", "my &lt;draft&gt;</textarea>")
		expect(t, c.send("GET", "/version", ""), 200)
		if strings.Contains(c.log.String(), `"level":"ERROR"`) {
			t.Errorf("an absence is no error of the app: %s", c.log.String())
		}
		c.notes.fault = nil
		expect(t, c.send("GET", "/", ""), 200)
	}
}

func TestWhatTheAppDidWrongIsA500AndAnError(t *testing.T) {
	c := newClient(t)
	c.notes.fault = &pgconn.PgError{Code: "23514", Message: "violates check constraint"}
	expect(t, c.send("GET", "/api/notes", ""), 500, "Internal Server Error")
	if !strings.Contains(c.log.String(), "check constraint") {
		t.Errorf("the log does not say why: %s", c.log.String())
	}
}

func TestThePageShowsNotesAndEscapesThem(t *testing.T) {
	c := newClient(t)
	expect(t, c.send("GET", "/", ""), 200, "There are no notes yet.")
	c.post(`{"body": "<script>alert(1)</script>"}`)
	expect(t, c.send("GET", "/", ""), 200, "&lt;script&gt;alert(1)", "21 November 2026, 10:00 UTC", "/notes/1/delete")
	for range pageNotes {
		c.post(`{"body": "more"}`)
	}
	expect(t, c.send("GET", "/", ""), 200, `href="/?before=2"`)
	expect(t, c.send("GET", "/?before=2", ""), 200, "&lt;script&gt;", `<a href="/">newest</a>`)
	expect(t, c.send("GET", "/?before=x", ""), 200)
}

func TestTheFormWritesAndDeletesWithoutJavaScript(t *testing.T) {
	c := newClient(t)
	written := c.form("/notes", url.Values{"body": {"by hand"}})
	expect(t, written, 303)
	if written.Header().Get("Location") != "/" {
		t.Errorf("leads to %q", written.Header().Get("Location"))
	}
	expect(t, c.form("/notes", url.Values{"body": {" "}}), 422, "A note needs a text.")
	expect(t, c.form("/notes", url.Values{"body": {strings.Repeat("x", 501)}}), 422, "at most 500", "this one has 501")
	expect(t, c.form("/notes/1/delete", nil), 303)
	expect(t, c.form("/notes/1/delete", nil), 404, "There is no such note.")
	expect(t, c.form("/notes", url.Values{"body": {"\xff"}}), 422, "UTF-8")
}

func TestAnotherSitesPageCannotWrite(t *testing.T) {
	c := newClient(t)
	values := url.Values{"body": {"forged"}}
	expect(t, c.form("/notes", values, "Sec-Fetch-Site", "cross-site"), 403)
	expect(t, c.form("/notes", values, "Sec-Fetch-Site", "same-site"), 403)
	expect(t, c.form("/notes", values, "Origin", "http://elsewhere.example"), 403)
	expect(t, c.form("/notes", values, "Origin", "null"), 403)
	expect(t, c.send("DELETE", "/api/notes/1", "", "Sec-Fetch-Site", "cross-site"), 403)
	if len(c.notes.notes) != 0 {
		t.Error("it could")
	}
	expect(t, c.form("/notes", values, "Sec-Fetch-Site", "same-origin"), 303)
	expect(t, c.form("/notes", values, "Origin", "http://example.com"), 303) // httptest's host
	expect(t, c.send("GET", "/", "", "Sec-Fetch-Site", "cross-site"), 200)
}

func TestWithAWriteTokenOnlyWhoKnowsItWrites(t *testing.T) {
	c := newClient(t)
	c.site.WriteToken = "0123456789abcdef"
	expect(t, c.send("GET", "/", ""), 200, `name="token"`)
	for _, token := range []string{"", "Bearer ", "Bearer 0123456789abcdeX", "0123456789"} {
		answer := c.send("POST", "/api/notes", `{"body": "a"}`, "Content-Type", json_, "Authorization", token)
		expect(t, answer, 401, "write token")
	}
	expect(t, c.send("DELETE", "/api/notes/1", ""), 401)
	expect(t, c.form("/notes", url.Values{"body": {"draft"}, "token": {"wrong"}}), 403, "draft</textarea>")
	expect(t, c.form("/notes/1/delete", url.Values{"token": {"wrong"}}), 403)
	expect(t, c.form("/notes", url.Values{"body": {"a"}, "token": {c.site.WriteToken}}), 303)
	authorized := []string{"Content-Type", json_, "Authorization", "Bearer " + c.site.WriteToken}
	expect(t, c.send("POST", "/api/notes", `{"body": "a"}`, authorized...), 201)
	expect(t, c.send("DELETE", "/api/notes/1", "", authorized...), 204)
	if page := c.send("GET", "/", "").Body.String(); strings.Contains(page, c.site.WriteToken) {
		t.Error("the page tells the token")
	}
}

func TestWithoutADatabaseThereIsNothingOfNotes(t *testing.T) {
	for _, path := range []string{"/api/notes", "/api/notes/1"} {
		if response, _ := ask(t, readyState(), get(path)); response.Code != 404 {
			t.Errorf("%s: got %d", path, response.Code)
		}
	}
	if response, _ := ask(t, readyState(), get("/")); strings.Contains(response.Body.String(), "Notes") {
		t.Error("the page speaks of notes")
	}
}
