package schema_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"app/internal/schema"
	"app/internal/testdatabase"
)

// with is the embedded migrations and some more, each the text after its annotation.
func with(t *testing.T, more ...string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	names, err := fs.Glob(schema.Files(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		content, err := fs.ReadFile(schema.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: content}
	}
	for i, statements := range more {
		name := "000" + string(rune('1'+len(names)+i)) + "_more.sql"
		files[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + statements + "\n")}
	}
	return files
}

func migrator(t *testing.T, d *testdatabase.Database, files fs.FS, change func(*schema.Options)) *schema.Migrator {
	t.Helper()
	options := schema.Options{Timeout: 20 * time.Second, LockTimeout: time.Second, Role: d.User}
	if change != nil {
		change(&options)
	}
	m, err := schema.NewMigrator(d.Admin(), files, options)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func migrate(t *testing.T, m *schema.Migrator) schema.Report {
	t.Helper()
	report, err := m.Migrate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func refused(t *testing.T, err error, reason string, version int64, fragments ...string) {
	t.Helper()
	var failure *schema.Failure
	if !errors.As(err, &failure) || failure.Reason != reason || failure.Version != version {
		t.Fatalf("got %+v, want %s at %d", err, reason, version)
	}
	for _, fragment := range fragments {
		if !strings.Contains(failure.Error(), fragment) {
			t.Errorf("%q is not in %q", fragment, failure)
		}
	}
}

func TestANewDatabaseIsBroughtToTheLastMigrationOnce(t *testing.T) {
	d := testdatabase.New(t)
	m := migrator(t, d, schema.Files(), nil)
	before, err := m.Status(t.Context())
	if err != nil || before.Current != 0 || len(before.Pending) != int(schema.Latest()) {
		t.Errorf("got %+v, %v", before, err)
	}
	if d.Number("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") != 0 {
		t.Error("asking wrote something")
	}
	first := migrate(t, m)
	if first.From != 0 || first.To != schema.Latest() || len(first.Applied) != int(schema.Latest()) {
		t.Errorf("got %+v", first)
	}
	if first.Applied[0].Version != 1 || first.Applied[0].Name != "notes" {
		t.Errorf("got %+v", first.Applied[0])
	}
	if second := migrate(t, m); second.From != schema.Latest() || second.To != schema.Latest() || len(second.Applied) != 0 {
		t.Errorf("got %+v", second)
	}
	after, err := m.Status(t.Context())
	if err != nil || after.Current != schema.Latest() || len(after.Pending) != 0 {
		t.Errorf("got %+v, %v", after, err)
	}
}

func TestItGoesAsFarAsItIsTold(t *testing.T) {
	d := testdatabase.New(t)
	files := with(t, "CREATE TABLE two ();", "CREATE TABLE three ();")
	report := migrate(t, migrator(t, d, files, func(o *schema.Options) { o.To = schema.Latest() + 1 }))
	if report.To != schema.Latest()+1 {
		t.Errorf("got %+v", report)
	}
	// And a version that knows less leaves it where it is.
	if report := migrate(t, migrator(t, d, schema.Files(), nil)); report.From != schema.Latest()+1 || report.To != report.From {
		t.Errorf("got %+v", report)
	}
}

func TestAMigrationThatFailsHalfwayLeavesNothingOfItself(t *testing.T) {
	d := testdatabase.New(t)
	m := migrator(t, d, with(t, "CREATE TABLE good ();", "CREATE TABLE half ();\nALTER TABLE absent ADD x int;"), nil)
	report, err := m.Migrate(t.Context())
	broken := schema.Latest() + 2
	refused(t, err, schema.Broken, broken, "(more) failed", `relation "absent" does not exist`, "nothing of it was applied")
	if report.To != broken-1 || len(report.Applied) != int(broken-1) {
		t.Errorf("got %+v", report)
	}
	tables := "SELECT count(*) FROM pg_tables WHERE tablename = $1"
	if d.Number(tables, "good") != 1 || d.Number(tables, "half") != 0 {
		t.Error("what was applied is not what was reported")
	}
	status, _ := m.Status(t.Context())
	if status.Current != broken-1 {
		t.Errorf("got %+v", status)
	}
}

func TestAMigrationThatTakesTooLongIsStoppedOnTheServer(t *testing.T) {
	for name, slow := range map[string]string{
		"one statement":   "CREATE TABLE slow ();\nSELECT pg_sleep(60);",
		"many statements": "CREATE TABLE slow ();\n" + strings.Repeat("SELECT pg_sleep(0.2);\n", 300),
	} {
		t.Run(name, func(t *testing.T) {
			d := testdatabase.New(t)
			migrate(t, migrator(t, d, schema.Files(), nil))
			began := time.Now()
			_, err := migrator(t, d, with(t, slow), func(o *schema.Options) { o.Timeout = time.Second }).Migrate(t.Context())
			refused(t, err, schema.Timeout, schema.Latest()+1, "took longer than 1s", "nothing of it was applied")
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
			if d.Number("SELECT count(*) FROM pg_tables WHERE tablename = 'slow'") != 0 {
				t.Error("half of it stayed")
			}
			if d.Number("SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND query LIKE '%pg_sleep(%' AND state = 'active' AND pid <> pg_backend_pid()", d.Name) != 0 {
				t.Error("the server is still at it")
			}
		})
	}
}

func TestAnInterruptedMigrationLeavesNothing(t *testing.T) {
	d := testdatabase.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(500*time.Millisecond, cancel)
	_, err := migrator(t, d, with(t, "CREATE TABLE slow ();\nSELECT pg_sleep(60);"), nil).Migrate(ctx)
	refused(t, err, schema.Timeout, schema.Latest()+1, "was interrupted", "nothing of it was applied")
}

func TestWhileAnotherMigrationRunsThisOneSaysSo(t *testing.T) {
	d := testdatabase.New(t)
	holder := d.Connect(d.Admin())
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock($1)", int64(0x736c6970776179)); err != nil {
		t.Fatal(err)
	}
	_, err := migrator(t, d, schema.Files(), nil).Migrate(t.Context())
	refused(t, err, schema.Locked, 0, "another migration is running", "within 1s")
	_ = holder.Close(t.Context())
	migrate(t, migrator(t, d, schema.Files(), nil))
}

func TestTwoAtOnceApplyEachMigrationOnce(t *testing.T) {
	d := testdatabase.New(t)
	files := with(t, "CREATE TABLE two ();\nSELECT pg_sleep(0.3);", "CREATE TABLE three ();")
	var group sync.WaitGroup
	var mutex sync.Mutex
	applied := 0
	for range 2 {
		group.Go(func() {
			m := migrator(t, d, files, func(o *schema.Options) { o.LockTimeout = 20 * time.Second })
			report, err := m.Migrate(t.Context())
			mutex.Lock()
			defer mutex.Unlock()
			applied += len(report.Applied)
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if applied != int(schema.Latest())+2 {
		t.Errorf("%d were applied", applied)
	}
}

func TestTheServerNoticesSoonWhenWhoMigratesHasVanished(t *testing.T) {
	d := testdatabase.New(t)
	settings := "current_setting('tcp_keepalives_idle')::int + current_setting('tcp_keepalives_interval')::int * current_setting('tcp_keepalives_count')::int"
	migrate(t, migrator(t, d, with(t, "CREATE TABLE patience AS SELECT "+settings+" AS seconds;"), nil))
	if seconds := d.Number("SELECT seconds FROM patience"); seconds != 15 {
		t.Errorf("after %d s", seconds)
	}
}

func TestAMigrationDoesNotWaitForeverForATableInUse(t *testing.T) {
	d := testdatabase.New(t)
	migrate(t, migrator(t, d, schema.Files(), nil))
	user := d.Connect(d.Admin())
	transaction, err := user.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := transaction.Exec(t.Context(), "LOCK TABLE notes IN ACCESS SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	_, err = migrator(t, d, with(t, "ALTER TABLE notes ADD COLUMN author text;"), nil).Migrate(t.Context())
	refused(t, err, schema.Locked, schema.Latest()+1, "waited longer than 1s for a lock", "nothing of it was applied")
}

func TestTheAppMayReadAndWriteRowsAndNothingElse(t *testing.T) {
	d := testdatabase.New(t)
	migrate(t, migrator(t, d, with(t, "CREATE TABLE later (id serial PRIMARY KEY, x int);"), nil))
	connection := d.Connect(d.App())
	for _, allowed := range []string{
		"INSERT INTO notes (body) VALUES ('a')", "UPDATE notes SET body = 'b'", "DELETE FROM notes",
		"INSERT INTO later (x) VALUES (1)", "SELECT * FROM goose_db_version",
	} {
		if _, err := connection.Exec(t.Context(), allowed); err != nil {
			t.Errorf("%s: %v", allowed, err)
		}
	}
	for _, forbidden := range []string{
		"CREATE TABLE mine ()", "CREATE TEMPORARY TABLE mine ()", "CREATE SCHEMA mine", "DROP TABLE notes",
		"ALTER TABLE notes ADD COLUMN x int", "TRUNCATE notes", "CREATE INDEX ON notes (body)",
		"DELETE FROM goose_db_version",
		"INSERT INTO goose_db_version (version_id, is_applied) VALUES (9, true)", "CREATE ROLE mine",
		"CREATE DATABASE mine", "SET ROLE " + d.Admin().User,
	} {
		if _, err := connection.Exec(t.Context(), forbidden); err == nil {
			t.Errorf("allowed: %s", forbidden)
		}
	}
}

func TestOneWhoIsNoMemberCannotConnect(t *testing.T) {
	d := testdatabase.New(t)
	migrate(t, migrator(t, d, schema.Files(), func(o *schema.Options) { o.Role = "" }))
	if _, err := pgx.ConnectConfig(t.Context(), d.App()); err == nil || schema.Reason(err) != schema.Unfit {
		t.Errorf("got %v", err)
	}
	migrate(t, migrator(t, d, schema.Files(), nil))
	d.Connect(d.App())
}

func TestARoleThatIsNotThereIsNamed(t *testing.T) {
	d := testdatabase.New(t)
	_, err := migrator(t, d, schema.Files(), func(o *schema.Options) { o.Role = "app_nobody" }).Migrate(t.Context())
	refused(t, err, schema.Unfit, 0, "rights of the app", `role "app_nobody" does not exist`)
}

func TestARehearsalHappensSomewhereElse(t *testing.T) {
	d := testdatabase.New(t)
	migrate(t, migrator(t, d, schema.Files(), nil))
	name := d.Name + "_rehearsal"
	files := with(t, "ALTER TABLE notes RENAME COLUMN body TO text;")
	rehearsal := func(to int64) schema.Report {
		return migrate(t, migrator(t, d, files, func(o *schema.Options) { o.Rehearsal, o.To = name, to }))
	}
	t.Cleanup(func() { _ = migrator(t, d, files, nil).DropRehearsal(context.Background(), name) })
	if report := rehearsal(schema.Latest()); report.From != 0 || report.To != schema.Latest() {
		t.Errorf("got %+v", report)
	}
	if report := rehearsal(0); report.From != schema.Latest() || report.To != schema.Latest()+1 {
		t.Errorf("got %+v", report)
	}
	if d.Number("SELECT count(*) FROM information_schema.columns WHERE table_name = 'notes' AND column_name = 'body'") != 1 {
		t.Error("the real schema was touched")
	}
	there := d.App()
	there.Database = name
	guest := d.Connect(there)
	time.AfterFunc(300*time.Millisecond, func() { _ = guest.Close(context.Background()) }) // the drop waits for it
	for range 2 {
		if err := migrator(t, d, files, nil).DropRehearsal(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if d.Number("SELECT count(*) FROM pg_database WHERE datname = $1", name) != 0 {
		t.Error("it is still there")
	}
}

func TestARehearsalThatWasKilledLeavesNothingToTheNextMigration(t *testing.T) {
	d := testdatabase.New(t)
	name := d.Name + "_rehearsal"
	migrate(t, migrator(t, d, schema.Files(), func(o *schema.Options) { o.Rehearsal = name }))
	count := "SELECT count(*) FROM pg_database WHERE datname = $1"
	if d.Number(count, name) != 1 {
		t.Fatal("there was no rehearsal")
	}
	migrate(t, migrator(t, d, schema.Files(), nil))
	if d.Number(count, name) != 0 {
		t.Error("it is still there")
	}
}

func TestADatabaseThatIsAwayOrRefusesIsToldApart(t *testing.T) {
	d := testdatabase.New(t)
	away, wrong := d.Admin(), d.Admin()
	testdatabase.NewWire(t, away).Cut()
	wrong.Password = "wrong"
	for config, reason := range map[*pgx.ConnConfig]string{away: schema.Unreachable, wrong: schema.Password} {
		m, err := schema.NewMigrator(config, schema.Files(), schema.Options{Timeout: 5 * time.Second, LockTimeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.Migrate(t.Context())
		refused(t, err, reason, 0, "cannot be reached")
	}
}
