package web

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"app/internal/health"
)

var sample = Release{
	Version: "v2.1.0", Commit: "0123abc", Image: "app-v2.1.0-cafe", Release: "v2.1.0-beef",
	Host: "droplet-1", Message: "<b>hello</b>",
}

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	os.Exit(m.Run())
}

func site(state *health.State, logger *slog.Logger) Site {
	return Site{Release: sample, State: state, Logger: logger}
}

// ask sends a request to a fresh handler and returns the answer and the log.
func ask(t *testing.T, state *health.State, request *http.Request) (*httptest.ResponseRecorder, string) {
	t.Helper()
	var log bytes.Buffer
	recorder := httptest.NewRecorder()
	site(state, slog.New(slog.NewJSONHandler(&log, nil))).handler().ServeHTTP(recorder, request)
	return recorder, log.String()
}

func get(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }

func readyState() *health.State {
	state := health.NewState(health.NewProbe(slog.New(slog.DiscardHandler)))
	state.Bind()
	return state
}

func TestThePageShowsTheReleaseAndEscapesItsMessage(t *testing.T) {
	response, _ := ask(t, readyState(), get("/"))
	body := response.Body.String()
	for _, want := range []string{
		"<h1>v2.1.0</h1>", "<dd>0123abc</dd>", "<dd>app-v2.1.0-cafe</dd>", "<dd>v2.1.0-beef</dd>", "<dd>droplet-1</dd>",
		"<title>v2.1.0 on droplet-1</title>", "&lt;b&gt;hello&lt;/b&gt;", stylePath,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	if response.Code != http.StatusOK || response.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("got %d %s", response.Code, response.Header())
	}
}

func TestWithoutAMessageThePageHasNoPlaceForIt(t *testing.T) {
	quiet := site(readyState(), slog.New(slog.DiscardHandler))
	quiet.Release.Message = ""
	recorder := httptest.NewRecorder()
	quiet.handler().ServeHTTP(recorder, get("/"))
	if strings.Contains(recorder.Body.String(), "message") {
		t.Error("an empty message takes up space")
	}
}

func TestTheStyleSheetIsEmbedded(t *testing.T) {
	response, _ := ask(t, readyState(), get(stylePath))
	if response.Code != http.StatusOK || !strings.HasPrefix(response.Header().Get("Content-Type"), "text/css") {
		t.Errorf("got %d %s", response.Code, response.Header().Get("Content-Type"))
	}
}

func TestVersionIsExactlyTheFiveNames(t *testing.T) {
	response, _ := ask(t, readyState(), get("/version"))
	var got map[string]string
	if err := json.Unmarshal(response.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"version": "v2.1.0", "commit": "0123abc", "image": "app-v2.1.0-cafe", "release": "v2.1.0-beef", "host": "droplet-1",
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: got %q, want %q", name, got[name], value)
		}
	}
}

func TestProbesTellTheStatesApart(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	starting := health.NewState(health.NewProbe(logger))
	draining := readyState()
	draining.Drain()
	lonely := health.NewState(health.NewProbe(logger, health.Accepting([]string{"127.0.0.1:1"})))
	lonely.Bind()
	for _, test := range []struct {
		state *health.State
		code  int
		body  string
	}{
		{readyState(), 200, `{"status":"ready"}`},
		{starting, 503, `{"status":"starting"}`},
		{draining, 503, `{"status":"draining"}`},
		{lonely, 503, `{"reason":"dependency","status":"unavailable"}`},
	} {
		if response, _ := ask(t, test.state, get("/health/ready")); response.Code != test.code ||
			response.Body.String() != test.body {
			t.Errorf("ready: got %d %s, want %d %s", response.Code, response.Body, test.code, test.body)
		}
		if response, _ := ask(t, test.state, get("/health/live")); response.Code != http.StatusOK {
			t.Errorf("live: got %d while %s", response.Code, test.body)
		}
	}
}

func TestEveryRouteAnswersHEAD(t *testing.T) {
	for _, path := range []string{"/", "/version", "/health/live", "/health/ready", stylePath} {
		if response, _ := ask(t, readyState(), httptest.NewRequest(http.MethodHead, path, nil)); response.Code != http.StatusOK {
			t.Errorf("HEAD %s: got %d", path, response.Code)
		}
	}
}

func TestOtherPathsAndMethodsAreRefusedAsJSON(t *testing.T) {
	for want, request := range map[int]*http.Request{
		http.StatusNotFound:              get("/nothing"),
		http.StatusMethodNotAllowed:      httptest.NewRequest(http.MethodPost, "/version", nil),
		http.StatusRequestEntityTooLarge: httptest.NewRequest(http.MethodGet, "/", bytes.NewReader(make([]byte, maxBody+1))),
	} {
		response, _ := ask(t, readyState(), request)
		var body map[string]string
		if err := json.Unmarshal(response.Body.Bytes(), &body); err != nil || response.Code != want {
			t.Errorf("got %d %s, want %d and JSON", response.Code, response.Body, want)
		}
	}
}

func TestABodyOfUnknownLengthIsBoundedToo(t *testing.T) {
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = httptest.NewRequest(http.MethodPost, "/", io.MultiReader(bytes.NewReader(make([]byte, maxBody+1))))
	c.Request.ContentLength = -1
	limitBody(c)
	if _, err := io.ReadAll(c.Request.Body); err == nil {
		t.Error("a body beyond the limit was read whole")
	}
}

func TestARequestIsOneLineOfJSONWithItsID(t *testing.T) {
	request := get("/version?token=secret")
	request.Header.Set(requestIDHeader, "trace-1")
	response, log := ask(t, readyState(), request)
	if response.Header().Get(requestIDHeader) != "trace-1" {
		t.Errorf("got id %q", response.Header().Get(requestIDHeader))
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(log), &line); err != nil {
		t.Fatalf("not one line of JSON: %s", log)
	}
	if line["id"] != "trace-1" || line["path"] != "/version" || line["status"] != float64(200) {
		t.Errorf("got %v", line)
	}
	if strings.Contains(log, "secret") {
		t.Errorf("the query is in the log: %s", log)
	}
}

func TestAHarmfulRequestIDIsReplaced(t *testing.T) {
	for _, id := range []string{"", "a b", strings.Repeat("x", 65), "a\"b"} {
		request := get("/version")
		request.Header.Set(requestIDHeader, id)
		if response, _ := ask(t, readyState(), request); !requestIDPattern.MatchString(response.Header().Get(requestIDHeader)) {
			t.Errorf("%q gave %q", id, response.Header().Get(requestIDHeader))
		}
	}
}

func TestAPanicIsA500AndALineOfJSON(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	engine := gin.New()
	engine.Use(requestID, accessLog(logger), recovery(logger))
	engine.GET("/", func(*gin.Context) { panic("broken") })
	recorder := httptest.NewRecorder()
	engine.ServeHTTP(recorder, get("/"))
	if recorder.Code != http.StatusInternalServerError || strings.Contains(recorder.Body.String(), "broken") {
		t.Errorf("got %d %s", recorder.Code, recorder.Body)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"error":"broken"`) || !strings.Contains(lines[1], `"status":500`) {
		t.Errorf("got %s", log.String())
	}
}

func TestEveryAnswerCarriesTheSecurityHeaders(t *testing.T) {
	for _, path := range []string{"/", "/version", "/nothing"} {
		response, _ := ask(t, readyState(), get(path))
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "same-origin",
		} {
			if got := response.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if !strings.HasPrefix(response.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: no content security policy", path)
		}
	}
}

func TestTheServerBoundsEverySlowClient(t *testing.T) {
	server := site(readyState(), slog.New(slog.DiscardHandler)).Server()
	if server.ReadHeaderTimeout == 0 || server.ReadTimeout == 0 || server.WriteTimeout == 0 ||
		server.IdleTimeout == 0 || server.MaxHeaderBytes == 0 {
		t.Errorf("a limit is missing: %+v", server)
	}
}
