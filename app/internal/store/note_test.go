package store

import (
	"errors"
	"strings"
	"testing"
)

func TestATextIsKeptAsItIsMeant(t *testing.T) {
	for given, want := range map[string]string{
		"a":                          "a",
		"  a\r\n\tb \n":              "a\n\tb",
		"Grüße, 世界 🙂":                "Grüße, 世界 🙂",
		strings.Repeat("é", MaxNote): strings.Repeat("é", MaxNote),
	} {
		if got, err := Body(given); err != nil || got != want {
			t.Errorf("%q: got %q, %v", given, got, err)
		}
	}
}

func TestWhatIsNoTextIsRefusedInASentence(t *testing.T) {
	for _, given := range []string{"", " \n ", strings.Repeat("é", MaxNote+1), "a\x00b", "a\x1bb", "\xff"} {
		var invalid InvalidError
		if _, err := Body(given); !errors.As(err, &invalid) || !strings.HasSuffix(invalid.Error(), ".") {
			t.Errorf("%q: got %v", given, err)
		}
	}
}
