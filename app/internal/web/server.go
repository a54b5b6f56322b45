// Package web is the service as HTTP sees it.
package web

import (
	"embed"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"app/internal/health"
)

//go:embed assets
var assets embed.FS

// maxBody bounds what a request may carry, in bytes: a note is short, and what
// a stranger sends should not cost memory.
const maxBody = 64 << 10

// Release names what is running, and where.
type Release struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Image   string `json:"image"`
	Release string `json:"release"`
	Host    string `json:"host"`
	Message string `json:"-"`
}

// Site is all that is served.
type Site struct {
	Release    Release
	State      *health.State
	Notes      Notes  // nil without a database
	WriteToken string // that writing notes wants; empty when anybody may
	Logger     *slog.Logger
}

// Server returns the server, not yet listening.
func (s Site) Server() *http.Server {
	return &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.Logger.Handler(), slog.LevelWarn),
	}
}

func (s Site) handler() http.Handler {
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.Use(requestID, accessLog(s.Logger), recovery(s.Logger), securityHeaders, sameOrigin(), limitBody)

	get := func(path string, handler gin.HandlerFunc) {
		engine.Match([]string{http.MethodGet, http.MethodHead}, path, handler)
	}
	page := page{s}
	get("/", page.show)
	get("/version", version(s.Release))
	get("/health/live", live)
	get("/health/ready", ready(s.State))
	get(stylePath, style)
	if s.Notes != nil {
		api := api{s}
		get("/api/notes", api.list)
		get("/api/notes/:id", api.read)
		engine.POST("/api/notes", api.create)
		engine.DELETE("/api/notes/:id", api.remove)
		engine.POST("/notes", page.create)
		engine.POST("/notes/:id/delete", page.remove)
	}
	engine.NoRoute(problem(http.StatusNotFound))
	engine.NoMethod(problem(http.StatusMethodNotAllowed))
	return engine
}

// problem answers with the status and its usual words.
func problem(status int) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.AbortWithStatusJSON(status, gin.H{"error": http.StatusText(status)})
	}
}
