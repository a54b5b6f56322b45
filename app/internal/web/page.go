package web

import (
	"bytes"
	"html/template"
	"net/http"

	"github.com/gin-gonic/gin"
)

const stylePath = "/assets/style.css"

var pageTemplate = template.Must(template.ParseFS(assets, "assets/index.html"))

// page is rendered once: all it shows is known at the start.
func page(release Release) gin.HandlerFunc {
	var html bytes.Buffer
	if err := pageTemplate.Execute(&html, release); err != nil {
		panic(err) // the template is embedded: only a programming error gets here
	}
	return func(c *gin.Context) {
		c.Data(http.StatusOK, "text/html; charset=utf-8", html.Bytes())
	}
}

func style(c *gin.Context) {
	c.FileFromFS("assets/style.css", http.FS(assets))
}
