package command

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"app/internal/schema"
	"app/internal/testdatabase"
)

// run returns the answer and the exit code.
func run(t *testing.T, stdin string, environ []string, arguments ...string) (map[string]any, int) {
	t.Helper()
	var stdout bytes.Buffer
	around := Environment{Version: "v9", Environ: environ, Stdin: strings.NewReader(stdin), Stdout: &stdout}
	code, found := Run(t.Context(), arguments, around)
	if !found {
		t.Fatalf("there is no %v", arguments)
	}
	var answer map[string]any
	if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil || strings.Count(stdout.String(), "\n") != 1 {
		t.Fatalf("not one line of JSON: %s", &stdout)
	}
	return answer, code
}

func TestSchemaAndSettingsNeedNothing(t *testing.T) {
	answer, code := run(t, "", nil, "schema")
	first := answer["migrations"].([]any)[0].(map[string]any)
	if code != Done || answer["latest"] != float64(schema.Latest()) || first["version"] != 1.0 || first["name"] != "notes" {
		t.Errorf("got %d %v", code, answer)
	}
	answer, code = run(t, "", nil, "settings")
	if code != Done || answer["settings"].([]any)[0].(map[string]any)["name"] != "PORT" {
		t.Errorf("got %d %v", code, answer)
	}
}

func TestAnUnknownCommandIsNone(t *testing.T) {
	if code, found := Run(context.Background(), []string{"serve"}, Environment{}); found || code != Misused {
		t.Errorf("got %d %v", code, found)
	}
}

func TestMisuseIsASentenceWithoutTheSecret(t *testing.T) {
	const secret = "hunter2"
	good := `{"url": "postgres://doadmin:` + secret + `@127.0.0.1:1/app"}`
	for _, test := range []struct {
		stdin     string
		arguments []string
	}{
		{"", []string{"schema", "x"}},
		{"", []string{"migrate"}},
		{secret, []string{"migrate"}},
		{`{"url": "` + secret + `"}`, []string{"migrate"}},
		{`{"url": "postgres://doadmin:` + secret + `@host:x y/app"}`, []string{"migrate"}},
		{`{"url": "postgres://doadmin:` + secret + `@host/app?sslmode=perhaps"}`, []string{"migrate"}},
		{`{"url": "postgres://doadmin:` + secret + `@host/app", "ca": "none"}`, []string{"migrate"}},
		{`{"url": "postgres://doadmin:` + secret + `@host/app", "key": 1}`, []string{"migrate"}},
		{good, []string{"migrate", "--to", "99"}},
		{good, []string{"migrate", "--to", "x"}},
		{good, []string{"migrate", "--timeout", "0"}},
		{good, []string{"migrate", "--down"}},
		{good, []string{"migrate", "now"}},
		{good, []string{"migrate", "--rehearsal", "app"}},
		{good, []string{"migrate", "--drop-rehearsal", "defaultdb"}},
		{good, []string{"migrate", "--status", "--drop-rehearsal", "a_rehearsal"}},
		{"", []string{"contract"}},
		{"", []string{"contract", "now"}},
	} {
		answer, code := run(t, test.stdin, nil, test.arguments...)
		sentence, _ := answer["error"].(string)
		if code != Misused || sentence == "" || strings.Contains(sentence, secret) {
			t.Errorf("%v %s: got %d %q", test.arguments, test.stdin, code, sentence)
		}
	}
	environ := []string{"APP_DATABASE_URL=" + secret, "APP_NEW=1"}
	if answer, code := run(t, "", environ, "contract"); code != Misused || strings.Contains(answer["error"].(string), secret) {
		t.Errorf("got %d %v", code, answer)
	}
}

func TestADatabaseThatIsAwayIsAFailureWithAReason(t *testing.T) {
	nowhere := "postgres://app:hunter2@127.0.0.1:1/app?sslmode=disable"
	answer, code := run(t, `{"url": "`+nowhere+`"}`, nil, "migrate", "--timeout", "2s")
	if code != Failed || answer["reason"] != schema.Unreachable || strings.Contains(answer["error"].(string), "hunter2") {
		t.Errorf("got %d %v", code, answer)
	}
	answer, code = run(t, "", []string{"APP_DATABASE_URL=" + nowhere}, "contract")
	if code != Failed || answer["reason"] != schema.Unreachable || answer["ok"] != false || answer["version"] != "v9" {
		t.Errorf("got %d %v", code, answer)
	}
}

func TestTheWholePathOfARelease(t *testing.T) {
	d := testdatabase.New(t)
	admin, err := json.Marshal(map[string]string{"url": d.AdminURL()})
	if err != nil {
		t.Fatal(err)
	}
	environ := []string{"APP_DATABASE_URL=" + d.AppURL(), "APP_RELEASE=v9-1"}

	answer, code := run(t, "", environ, "contract")
	if code != Failed || len(answer["failures"].([]any)) == 0 {
		t.Errorf("before: got %d %v", code, answer)
	}
	answer, code = run(t, string(admin), nil, "migrate", "--status")
	if code != Done || answer["current"] != 0.0 || answer["latest"] != float64(schema.Latest()) {
		t.Errorf("status: got %d %v", code, answer)
	}
	answer, code = run(t, string(admin), nil, "migrate", "--role", d.User)
	if code != Done || answer["from"] != 0.0 || answer["to"] != float64(schema.Latest()) {
		t.Errorf("migrate: got %d %v", code, answer)
	}
	answer, code = run(t, "", environ, "contract")
	if code != Done || answer["ok"] != true || answer["version"] != "v9" || len(answer["failures"].([]any)) != 0 {
		t.Errorf("contract: got %d %v", code, answer)
	}

	rehearsal := d.Name + "_rehearsal"
	answer, code = run(t, string(admin), nil, "migrate", "--rehearsal", rehearsal, "--to", "1", "--role", d.User)
	if code != Done || answer["from"] != 0.0 || answer["to"] != 1.0 {
		t.Errorf("rehearsal: got %d %v", code, answer)
	}
	if answer, code = run(t, "", environ, "contract", "--database", rehearsal); schema.Latest() == 1 && code != Done {
		t.Errorf("contract in the rehearsal: got %d %v", code, answer)
	}
	d.Execute("ALTER TABLE notes RENAME COLUMN body TO text")
	answer, code = run(t, "", environ, "contract")
	failures := answer["failures"].([]any)
	if code != Failed || answer["ok"] != false || answer["error"] != nil || failures[0].(map[string]any)["query"] != "create note" {
		t.Errorf("after a breaking change: got %d %v", code, answer)
	}
	answer, code = run(t, string(admin), nil, "migrate", "--drop-rehearsal", rehearsal)
	if code != Done || answer["dropped"] != rehearsal {
		t.Errorf("drop: got %d %v", code, answer)
	}
}

// As the pipeline calls it: the URL asks for TLS without verification, and the CA that comes with it makes it verify.
func TestACAThatComesAlongIsWhatTheServerIsVerifiedBy(t *testing.T) {
	d := testdatabase.New(t)
	address, err := url.Parse(d.AdminURL())
	if err != nil {
		t.Fatal(err)
	}
	query := address.Query()
	file := query.Get("sslrootcert")
	if file == "" {
		t.Skip("this cluster has no TLS: its URL names no sslrootcert")
	}
	ca, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	query.Set("sslmode", "require")
	query.Del("sslrootcert")
	address.RawQuery = query.Encode()
	ask := func(ca string) (map[string]any, int) {
		stdin, err := json.Marshal(map[string]string{"url": address.String(), "ca": ca})
		if err != nil {
			t.Fatal(err)
		}
		return run(t, string(stdin), nil, "migrate", "--status")
	}
	if answer, code := ask(string(ca)); code != Done {
		t.Errorf("got %d %v", code, answer)
	}
	if answer, code := ask(stranger(t)); code != Failed || !strings.Contains(answer["error"].(string), "certificate") {
		t.Errorf("a stranger's CA: got %d %v", code, answer)
	}
}

// stranger is an authority that has signed nothing.
func stranger(t *testing.T) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "stranger"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(nil, &template, &template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
}
