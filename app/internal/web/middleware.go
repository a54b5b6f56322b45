package web

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
)

const requestIDHeader = "X-Request-Id"

var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// requestID keeps the caller's id when it is harmless in a log, else makes one.
func requestID(c *gin.Context) {
	id := c.GetHeader(requestIDHeader)
	if !requestIDPattern.MatchString(id) {
		id = rand.Text()
	}
	c.Set(requestIDHeader, id)
	c.Header(requestIDHeader, id)
}

// accessLog writes one line per request. The query is left out: it is the part
// of an address that carries secrets.
func accessLog(logger *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		start := time.Now()
		c.Next()
		logger.Info("request",
			"id", c.GetString(requestIDHeader),
			"method", c.Request.Method,
			"path", c.Request.URL.Path,
			"status", c.Writer.Status(),
			"bytes", max(c.Writer.Size(), 0),
			"ms", float64(time.Since(start).Microseconds())/1000,
			"client", c.RemoteIP(),
		)
	}
}

// recovery turns a panic into a 500 and one line of JSON. http.ErrAbortHandler
// is the documented way to give up on a connection and goes through.
func recovery(logger *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			fault := recover()
			if fault == nil {
				return
			}
			if fault == http.ErrAbortHandler {
				panic(fault)
			}
			logger.Error("panic", "id", c.GetString(requestIDHeader),
				"error", fmt.Sprint(fault), "stack", string(debug.Stack()))
			problem(http.StatusInternalServerError)(c)
		}()
		c.Next()
	}
}

// securityHeaders allow the page its own style sheet and form and nothing else, and keep
// caches out: after a release nobody should see the one before.
func securityHeaders(c *gin.Context) {
	c.Header("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	c.Header("X-Content-Type-Options", "nosniff")
	// Not no-referrer: browsers would then send the page's own form with Origin: null.
	c.Header("Referrer-Policy", "same-origin")
	c.Header("Cache-Control", "no-store")
}

// sameOrigin refuses what a browser sends on behalf of another site's page, by
// Sec-Fetch-Site and Origin. Reading is open to all.
func sameOrigin() gin.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	return func(c *gin.Context) {
		if protection.Check(c.Request) != nil {
			problem(http.StatusForbidden)(c)
		}
	}
}

func limitBody(c *gin.Context) {
	if c.Request.ContentLength > maxBody {
		problem(http.StatusRequestEntityTooLarge)(c)
		return
	}
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxBody)
}
