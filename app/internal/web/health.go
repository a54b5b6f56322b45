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
		status := state.Status(c.Request.Context())
		code := http.StatusOK
		if status != health.Ready {
			code = http.StatusServiceUnavailable
		}
		c.JSON(code, gin.H{"status": status})
	}
}
