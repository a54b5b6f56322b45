package web

import (
	"bytes"
	"html/template"
	"math"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"app/internal/store"
)

const (
	stylePath = "/assets/style.css"
	pageNotes = 20
)

var pageTemplate = template.Must(template.New("index.html").Funcs(template.FuncMap{
	"iso":  func(at time.Time) string { return at.UTC().Format(time.RFC3339) },
	"date": func(at time.Time) string { return at.UTC().Format("2 January 2006, 15:04 UTC") },
}).ParseFS(assets, "assets/index.html"))

// page is the site for people: the release, and the notes.
type page struct{ Site }

// view is what the template shows.
type view struct {
	About      Release
	HasNotes   bool // there is a database
	WantsToken bool
	MaxNote    int
	Notes      []store.Note
	Next       *int64 // the id before which older notes are
	Older      bool   // this is not the first page
	Problem    string // a sentence for whoever wrote or reads
	Draft      string // what he wrote, so that it is not lost
}

func (p page) show(c *gin.Context) { p.render(c, http.StatusOK, "", "") }

func (p page) create(c *gin.Context) {
	// Parsed here, so that a form that is too large is told from an empty one.
	if err := c.Request.ParseForm(); err != nil {
		p.render(c, http.StatusBadRequest, "That form was not understood.", "")
		return
	}
	text := c.PostForm("body")
	err := p.mayWrite(c.PostForm("token"))
	if err == nil {
		_, err = p.Notes.Create(c.Request.Context(), text)
	}
	p.finish(c, err, text)
}

func (p page) remove(c *gin.Context) {
	err := p.mayWrite(c.PostForm("token"))
	if err == nil {
		err = p.Notes.Delete(c.Request.Context(), id(c))
	}
	p.finish(c, err, c.PostForm("body"))
}

// finish leads back to the page, so that loading it again sends nothing again.
func (p page) finish(c *gin.Context, err error, draft string) {
	if err == nil {
		c.Redirect(http.StatusSeeOther, "/")
		return
	}
	refused := p.refuse(c.GetString(requestIDHeader), err)
	p.render(c, refused.status, refused.sentence, draft)
}

// render shows the notes as well, unless that is what does not work.
func (p page) render(c *gin.Context, status int, problem, draft string) {
	shown := view{
		About: p.Release, HasNotes: p.Notes != nil, WantsToken: p.WriteToken != "", MaxNote: store.MaxNote,
		Problem: problem, Draft: draft,
	}
	if shown.HasNotes && status != http.StatusServiceUnavailable {
		before, ok := numberOr(c.Query("before"), math.MaxInt64, math.MaxInt64)
		if !ok {
			before = math.MaxInt64
		}
		var err error
		shown.Older = before != math.MaxInt64
		if shown.Notes, shown.Next, err = newest(c, p.Notes, before, pageNotes); err != nil {
			refused := p.refuse(c.GetString(requestIDHeader), err)
			status, shown.Problem = refused.status, refused.sentence
		}
	}
	if status == http.StatusServiceUnavailable {
		c.Header("Retry-After", "1")
	}
	var html bytes.Buffer
	if err := pageTemplate.Execute(&html, shown); err != nil {
		panic(err) // the template is embedded: only a programming error gets here
	}
	c.Data(status, "text/html; charset=utf-8", html.Bytes())
}

func style(c *gin.Context) {
	c.FileFromFS("assets/style.css", http.FS(assets))
}
