package database

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestWhatIsNoURLOfADatabaseIsRefusedWithoutRepeatingIt(t *testing.T) {
	for _, address := range []string{
		"", "hunter2", "mysql://app:hunter2@db/app", "postgres://app:hunter2@/app", "postgres://app:hunter2@db",
		"postgres://:hunter2@db/app", "postgres://app:hunter2@db:x y/app", "postgres://app:hunter2@db/app?sslmode=perhaps",
		"postgres://app:hunter2@db/app?sslrootcert=/nowhere/ca.pem&sslmode=verify-full",
	} {
		if _, err := Config(address, ""); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

func TestACAMakesVerificationAMust(t *testing.T) {
	if _, err := Config("postgres://app@db/app?sslmode=require", "no certificate"); err == nil {
		t.Error("what is no certificate was taken")
	}
	if _, err := Config("postgres://app@db/app?sslmode=disable", authority); err == nil {
		t.Error("no TLS was taken, in spite of the CA")
	}
	for _, mode := range []string{"require", "prefer", "verify-ca", "verify-full"} {
		config, err := Config("postgres://app@db/app?sslmode="+mode, authority)
		if err != nil {
			t.Errorf("%s: %v", mode, err)
			continue
		}
		tls := config.TLSConfig
		if tls.InsecureSkipVerify || tls.RootCAs == nil || tls.ServerName != "db" || len(config.Fallbacks) != 0 {
			t.Errorf("%s: the server is not verified: %+v", mode, tls)
		}
	}
}

func TestErrorsAreToldApart(t *testing.T) {
	server := func(code string) error { return fmt.Errorf("asked: %w", &pgconn.PgError{Code: code}) }
	for reason, causes := range map[Reason][]error{
		Away: {
			errors.New("connection refused"), context.DeadlineExceeded, server("57P01"), server("53300"), server("57014"),
			server("25006"), server("08006"), server("55P03"),
		},
		Credentials: {server("28P01"), server("28000")},
		Schema:      {server("42P01"), server("42703"), server("42501"), server("3D000")},
	} {
		for _, cause := range causes {
			if got, known := ReasonOf(cause); got != reason || !known {
				t.Errorf("%v: got %q, want %q", cause, got, reason)
			}
		}
	}
	for _, code := range []string{"23505", "22001"} {
		if reason, known := ReasonOf(server(code)); known {
			t.Errorf("%s is the statement's fault, and was taken for %q", code, reason)
		}
	}
}

func TestAnExplanationIsOneLineInTheServersWords(t *testing.T) {
	refused := &pgconn.PgError{Code: "42P01", Message: `relation "notes" does not exist`, Detail: "a row with its contents"}
	if got := Explain(fmt.Errorf("wrapped: %w", refused)); got != `relation "notes" does not exist (SQLSTATE 42P01)` {
		t.Errorf("got %q", got)
	}
	if got := Explain(errors.New("two\nlines\t here")); got != "two lines here" {
		t.Errorf("got %q", got)
	}
}

// authority has signed nothing, and its key is gone.
const authority = `-----BEGIN CERTIFICATE-----
MIIBODCB66ADAgECAhQ1v0JP6sDrzyyVpNc+pXgFmzJbGzAFBgMrZXAwETEPMA0G
A1UEAwwGbm9ib2R5MCAXDTI2MTEyMTEyMTEwMFoYDzIxMjYxMDI4MTIxMTAwWjAR
MQ8wDQYDVQQDDAZub2JvZHkwKjAFBgMrZXADIQAzhXqUoQy9QaM7MM8mn3zXn5Ae
P1qL1ImCDMRKCHBngKNTMFEwHQYDVR0OBBYEFDqc0+UrjtEoLrrnAx+X9NMMbA95
MB8GA1UdIwQYMBaAFDqc0+UrjtEoLrrnAx+X9NMMbA95MA8GA1UdEwEB/wQFMAMB
Af8wBQYDK2VwA0EAj8WNwEJBQM4AcHUevRT2vwcdKjQxnRmQX6itekTGYNGGfUgM
RgUT6ifGo2zMmjJNgDY3SISO48HOQB2zK7/hCA==
-----END CERTIFICATE-----`
