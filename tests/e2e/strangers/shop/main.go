// Shop is an app as strangers write them: it knows nothing of what releases
// it. HOW says in which way it is to be difficult.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

var version = "unknown"

func main() {
	switch os.Getenv("HOW") {
	case "exits":
		return
	case "fails":
		log.Fatal("no database is configured")
	case "slow":
		time.Sleep(5 * time.Second)
	case "redirects":
		http.Handle("/healthz", http.RedirectHandler("/login", http.StatusFound))
	case "unready":
		http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no", http.StatusServiceUnavailable)
		})
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if os.Getenv("HOW") == "says" {
			w.Header().Set("Slipway-Release", os.Getenv("APP_RELEASE"))
		}
		fmt.Fprintf(w, "shop %s for %s at %s\n", version, r.Header.Get("X-Forwarded-For"), os.Getenv("BASE_URL"))
	})
	log.Fatal(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}
