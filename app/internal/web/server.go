// Package web is the service as HTTP sees it. Nothing here changes state, so
// everything may be asked by anybody.
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

// maxBody bounds what a request may carry: no route reads a body, and what a
// stranger sends should not cost memory. In bytes.
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

// NewServer returns the server, not yet listening.
func NewServer(release Release, state *health.State, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           newHandler(release, state, logger),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

func newHandler(release Release, state *health.State, logger *slog.Logger) http.Handler {
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.Use(requestID, accessLog(logger), recovery(logger), securityHeaders, limitBody)

	routes := []struct {
		path    string
		handler gin.HandlerFunc
	}{
		{"/", page(release)},
		{"/version", version(release)},
		{"/health/live", live},
		{"/health/ready", ready(state)},
		{stylePath, style},
	}
	for _, route := range routes {
		engine.Match([]string{http.MethodGet, http.MethodHead}, route.path, route.handler)
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
