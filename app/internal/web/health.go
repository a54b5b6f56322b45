package web

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"app/internal/health"
)

// live says that the process can answer; it stays true while draining, because
// a restart would only lose the requests that are being finished.
func live(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{"status": "live"})
}

// ready says whether requests should be sent here: 200, or 503 with the reason.
func ready(state *health.State) gin.HandlerFunc {
	return func(c *gin.Context) {
		status, reason := state.Status(c.Request.Context())
		code, body := http.StatusOK, gin.H{"status": status}
		if status != health.Ready {
			code = http.StatusServiceUnavailable
		}
		if reason != "" {
			body["reason"] = reason
		}
		c.JSON(code, body)
	}
}
