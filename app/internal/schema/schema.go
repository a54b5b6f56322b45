// Package schema brings a database to the schema that this version needs: up
// only, one transaction for each migration, one migration at a time.
package schema

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var embedded embed.FS

// Migration is one step, as it is embedded in this binary.
type Migration struct {
	Version int64  `json:"version"`
	Name    string `json:"name"`
	SHA256  string `json:"sha256"`
}

// Files are the embedded migrations.
func Files() fs.FS {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err) // the folder is embedded: only a programming error gets here
	}
	return files
}

// Migrations lists the migrations of a folder in their order. Their files are
// called NUMBER_NAME.sql.
func Migrations(files fs.FS) ([]Migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	migrations := make([]Migration, 0, len(names))
	for _, file := range names { // sorted, and the numbers have leading zeros
		content, err := fs.ReadFile(files, file)
		if err != nil {
			return nil, err
		}
		number, name, found := strings.Cut(strings.TrimSuffix(path.Base(file), ".sql"), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil || !found || version != int64(len(migrations)+1) {
			return nil, fmt.Errorf("%s should be called %04d_NAME.sql", file, len(migrations)+1)
		}
		sum := sha256.Sum256(content)
		migrations = append(migrations, Migration{Version: version, Name: name, SHA256: hex.EncodeToString(sum[:])})
	}
	return migrations, nil
}

// Latest is the version of the last embedded migration, which this binary needs.
func Latest() int64 {
	migrations, err := Migrations(Files())
	if err != nil {
		panic(err) // the files are embedded, and a test reads them
	}
	return int64(len(migrations))
}
