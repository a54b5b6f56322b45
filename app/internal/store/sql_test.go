package store

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var looksLikeSQL = regexp.MustCompile(`(?is)\b(select\b.+\bfrom|insert\s+into|update\s+\w+\s+set|delete\s+from|with\s+\w+\s+as|truncate|create\s+(table|role|database)|call\s+\w+\()\b`)

// The contract vouches for the queries in queries.go; so the service must have no
// others. The schema's administration is not the service: it runs before it.
func TestNoQueryLivesOutsideTheContract(t *testing.T) {
	root := os.DirFS("../..")
	allowed := map[string]bool{"internal/store/queries.go": true}
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, exempt := range []string{"internal/schema/", "internal/testdatabase/"} {
			if strings.HasPrefix(path, exempt) {
				return nil
			}
		}
		source, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, source, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			literal, isLiteral := node.(*ast.BasicLit)
			if !isLiteral || literal.Kind != token.STRING {
				return true
			}
			text, _ := strconv.Unquote(literal.Value)
			if looksLikeSQL.MatchString(text) && !allowed[path] {
				t.Errorf("%s has a query of its own: %s", path, text)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A query type that anybody may make would be a way around the list.
func TestTheListOfQueriesIsComplete(t *testing.T) {
	source, err := os.ReadFile("queries.go")
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Count(string(source), "= declare("); want != len(declared) || want == 0 {
		t.Errorf("%d are declared in queries.go and %d in all", want, len(declared))
	}
	seen := map[string]bool{}
	for _, name := range declared {
		if seen[name] {
			t.Errorf("two are called %q", name)
		}
		seen[name] = true
	}
}
