package schema

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func TestTheEmbeddedMigrationsAreNumberedAndNamed(t *testing.T) {
	migrations, err := Migrations(Files())
	if err != nil {
		t.Fatal(err)
	}
	for i, migration := range migrations {
		if migration.Version != int64(i+1) || migration.Name == "" || len(migration.SHA256) != 64 {
			t.Errorf("got %+v", migration)
		}
	}
	if Latest() != int64(len(migrations)) {
		t.Errorf("the last is %d of %d", Latest(), len(migrations))
	}
}

// Each stands in a transaction of its own, so that a failure leaves nothing;
// and there is no way down, because going back does not touch the schema.
func TestEveryMigrationGoesUpInATransaction(t *testing.T) {
	forbidden := regexp.MustCompile(`(?i)\+goose\s+(no\s+transaction|down)|\bconcurrently\b|^\s*(begin|commit|rollback)\b`)
	err := fs.WalkDir(Files(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(Files(), path)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(string(content), "-- +goose Up\n") {
			t.Errorf("%s does not begin with -- +goose Up", path)
		}
		if found := forbidden.Find(content); found != nil {
			t.Errorf("%s has %q", path, found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAGapOrAWrongNameIsRefused(t *testing.T) {
	for _, names := range [][]string{{"0002_b.sql"}, {"0001_a.sql", "0003_c.sql"}, {"0001.sql"}, {"one_a.sql"}} {
		files := fstest.MapFS{}
		for _, name := range names {
			files[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n")}
		}
		if _, err := Migrations(files); err == nil {
			t.Errorf("%v was taken", names)
		}
	}
}

func TestOnlyARehearsalsNameIsTaken(t *testing.T) {
	for _, name := range []string{"app", "defaultdb", "rehearsal", "_rehearsal", "App_rehearsal", "a b_rehearsal", `a"_rehearsal`, ""} {
		if CheckRehearsal(name) == nil {
			t.Errorf("%q was taken", name)
		}
	}
	if err := CheckRehearsal("app_rehearsal"); err != nil {
		t.Error(err)
	}
}

func TestAMigrationThatThisVersionDoesNotHaveIsRefused(t *testing.T) {
	for _, to := range []int64{-1, Latest() + 1} {
		if _, err := NewMigrator(nil, Files(), Options{To: to}); err == nil {
			t.Errorf("%d was taken", to)
		}
	}
}
