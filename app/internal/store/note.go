package store

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxNote is the most characters that a note may have; migration 1 says the same.
const MaxNote = 500

// InvalidError is a text that cannot be a note; it is a sentence for its author.
type InvalidError string

func (e InvalidError) Error() string { return string(e) }

// Body returns the text as it is kept, or an InvalidError.
func Body(text string) (string, error) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	switch length := utf8.RuneCountInString(text); {
	case text == "":
		return "", InvalidError("A note needs a text.")
	case length > MaxNote:
		return "", InvalidError(fmt.Sprintf("A note has at most %d characters; this one has %d.", MaxNote, length))
	case !utf8.ValidString(text):
		return "", InvalidError("A note is text in UTF-8.")
	case strings.ContainsFunc(text, isControl):
		return "", InvalidError("A note has no control characters other than line breaks and tabs.")
	}
	return text, nil
}

func isControl(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
