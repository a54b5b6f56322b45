package web

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// version answers with the names of what is running.
func version(release Release) gin.HandlerFunc {
	return func(c *gin.Context) { c.JSON(http.StatusOK, release) }
}
