package store

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"app/internal/database"
	"app/internal/health"
	"app/internal/schema"
	"app/internal/testdatabase"
)

// slack is what a busy machine may add to a wait that is bounded.
const slack = 3 * time.Second

func prepared(t *testing.T) *testdatabase.Database {
	t.Helper()
	d := testdatabase.New(t)
	prepare(t, d)
	return d
}

func prepare(t *testing.T, d *testdatabase.Database) {
	t.Helper()
	options := schema.Options{Timeout: 20 * time.Second, LockTimeout: 20 * time.Second, Role: d.User}
	m, err := schema.NewMigrator(d.Admin(), schema.Files(), options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestNotesInARealDatabase(t *testing.T) {
	d := prepared(t)
	s := New(d.Pool(d.App()))
	texts := []string{"first", "Grüße, 世界 🙂\n'); DROP TABLE notes; --", strings.Repeat("é", MaxNote)}
	var written []Note
	for _, text := range texts {
		note, err := s.Create(t.Context(), text)
		if err != nil || note.Body != text || note.ID == 0 || time.Since(note.CreatedAt).Abs() > time.Minute {
			t.Fatalf("got %+v, %v", note, err)
		}
		found, err := s.Read(t.Context(), note.ID)
		if err != nil || found.Body != text || !found.CreatedAt.Equal(note.CreatedAt) {
			t.Errorf("got %+v, %v", found, err)
		}
		written = append(written, note)
	}
	page, err := s.List(t.Context(), math.MaxInt64, 2)
	if err != nil || len(page) != 2 || page[0].ID != written[2].ID || page[1].ID != written[1].ID {
		t.Errorf("got %+v, %v", page, err)
	}
	page, err = s.List(t.Context(), page[1].ID, 2)
	if err != nil || len(page) != 1 || page[0].ID != written[0].ID {
		t.Errorf("got %+v, %v", page, err)
	}
	if err := s.Delete(t.Context(), written[0].ID); err != nil {
		t.Error(err)
	}
	if err := s.Delete(t.Context(), written[0].ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Read(t.Context(), written[0].ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestAnEmptyListIsAListAndNotNothing(t *testing.T) {
	d := prepared(t)
	if found, err := New(d.Pool(d.App())).List(t.Context(), math.MaxInt64, 1); err != nil || found == nil {
		t.Errorf("got %v, %v", found, err)
	}
}

func reason(t *testing.T, s *Store) health.Reason {
	t.Helper()
	return health.NewProbe(slog.New(slog.DiscardHandler), s.Ready(schema.Latest())).Reason(t.Context())
}

func expectReason(t *testing.T, s *Store, want database.Reason) {
	t.Helper()
	if got := reason(t, s); got != health.Reason(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReadinessFollowsTheSchemaWithoutARestart(t *testing.T) {
	d := testdatabase.New(t)
	s := New(d.Pool(d.App()))
	expectReason(t, s, database.Schema)
	prepare(t, d)
	expectReason(t, s, "")
	d.Execute("DELETE FROM goose_db_version WHERE version_id = $1", schema.Latest())
	expectReason(t, s, database.Schema)
}

func TestAWrongPasswordIsToldFromAnAbsence(t *testing.T) {
	d := prepared(t)
	config := d.App()
	config.Password = "wrong"
	expectReason(t, New(d.Pool(config)), database.Credentials)
}

func TestADatabaseThatIsCutOffAndComesBackNeedsNoRestart(t *testing.T) {
	d := prepared(t)
	config := d.App()
	wire := testdatabase.NewWire(t, config)
	s := New(d.Pool(config))
	for _, part := range []func(){wire.Cut, wire.Freeze, func() { wire.Freeze(); time.Sleep(1100 * time.Millisecond) }} {
		if _, err := s.Create(t.Context(), "before"); err != nil {
			t.Fatal(err)
		}
		part()
		for range 2 {
			began := time.Now()
			_, err := s.Create(t.Context(), "meanwhile")
			if reason, _ := database.ReasonOf(err); err == nil || reason != database.Away {
				t.Errorf("got %v", err)
			}
			limits := testdatabase.Limits
			if took := time.Since(began); took > limits.Acquire+limits.Query+slack {
				t.Errorf("took %s", took)
			}
		}
		expectReason(t, s, database.Away)
		wire.Mend()
		for deadline := time.Now().Add(20 * time.Second); reason(t, s) != ""; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("it does not come back")
			}
		}
	}
}

func TestTheServersOwnEndOfConnectionsIsSurvived(t *testing.T) {
	d := prepared(t)
	s := New(d.Pool(d.App()))
	if _, err := s.Create(t.Context(), "before"); err != nil {
		t.Fatal(err)
	}
	d.Execute("GRANT " + d.User + " TO CURRENT_USER")
	d.Execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", d.User)
	time.Sleep(1100 * time.Millisecond) // idle for more than a second: the pool looks before it trusts
	if _, err := s.Create(t.Context(), "after"); err != nil {
		t.Error(err)
	}
}

func TestThePoolIsBounded(t *testing.T) {
	d := prepared(t)
	pool := d.Pool(d.App())
	release, held := make(chan struct{}), make(chan struct{}, 100)
	for range testdatabase.Limits.Connections {
		go func() {
			_ = pool.Do(context.Background(), func(context.Context, database.Querier) error {
				held <- struct{}{}
				<-release
				return nil
			})
		}()
	}
	for range testdatabase.Limits.Connections {
		<-held
	}
	began := time.Now()
	_, err := New(pool).SchemaVersion(t.Context())
	if reason, _ := database.ReasonOf(err); err == nil || reason != database.Away {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > testdatabase.Limits.Acquire+slack {
		t.Errorf("took %s", took)
	}
	close(release)
	if _, err := New(pool).SchemaVersion(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAQueryThatTakesTooLongEndsOnTheServerAndKeepsTheConnection(t *testing.T) {
	d := prepared(t)
	pool := d.Pool(d.App())
	process := func() (pid int32) {
		_ = pool.Do(t.Context(), func(ctx context.Context, db database.Querier) error {
			rows, err := db.Query(ctx, "SELECT pg_backend_pid()")
			for err == nil && rows.Next() {
				_ = rows.Scan(&pid)
			}
			return err
		})
		return pid
	}
	before := process()
	began := time.Now()
	err := pool.Do(t.Context(), func(ctx context.Context, db database.Querier) error {
		rows, err := db.Query(ctx, "SELECT pg_sleep(30)")
		if err == nil {
			rows.Close()
			err = rows.Err()
		}
		return err
	})
	if reason, known := database.ReasonOf(err); err == nil || reason != database.Away || !known {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > testdatabase.Limits.Query+slack {
		t.Errorf("took %s", took)
	}
	if after := process(); before == 0 || after != before {
		t.Errorf("the connection was lost: %d, then %d", before, after)
	}
	running := d.Number("SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND state = 'active'", d.User)
	if running != 0 {
		t.Error("the server is still at it")
	}
}

func contract(t *testing.T, d *testdatabase.Database) Outcome {
	t.Helper()
	outcome, err := Contract(t.Context(), d.Connect(d.App()), schema.Latest(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// broken names the queries that failed.
func broken(outcome Outcome) []string {
	var names []string
	for _, failure := range outcome.Failures {
		names = append(names, failure.Query)
	}
	return names
}

func TestTheContractTriesEveryQueryAndLeavesNothing(t *testing.T) {
	d := prepared(t)
	connection := d.Connect(d.App())
	transaction, err := connection.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	trial := trial{transaction: transaction, limit: 5 * time.Second}
	trial.exercise(t.Context(), schema.Latest())
	_ = transaction.Rollback(t.Context())
	if !slices.Equal(slices.Sorted(slices.Values(trial.tried)), slices.Sorted(slices.Values(declared))) {
		t.Errorf("declared are %v, and tried were %v", declared, trial.tried)
	}
	if outcome := contract(t, d); len(outcome.Failures) != 0 || outcome.Queries != len(declared) {
		t.Errorf("got %+v", outcome)
	}
	if d.Number("SELECT count(*) FROM notes") != 0 {
		t.Error("it left a note")
	}
}

func TestTheContractHoldsOrBreaksWithTheSchema(t *testing.T) {
	all := []string{createNote.name, readNote.name, listNotes.name, deleteNote.name}
	for change, want := range map[string][]string{
		"ALTER TABLE notes ADD COLUMN author text":                        nil,
		"ALTER TABLE notes ADD COLUMN pinned bool NOT NULL DEFAULT false": nil,
		"CREATE INDEX ON notes (created_at)":                              nil,
		"ALTER TABLE notes ADD COLUMN author text NOT NULL":               {createNote.name},
		"ALTER TABLE notes RENAME COLUMN body TO text":                    {createNote.name, readNote.name, listNotes.name},
		"ALTER TABLE notes DROP COLUMN created_at":                        {createNote.name, readNote.name, listNotes.name},
		"ALTER TABLE notes ALTER COLUMN created_at DROP DEFAULT":          {createNote.name},
		"ALTER TABLE notes RENAME TO remarks":                             all,
		"ALTER TABLE notes ADD CHECK (char_length(body) < 10)":            {createNote.name},
		"ALTER TABLE notes ALTER COLUMN created_at TYPE date":             nil,              // still a time to the app
		"ALTER TABLE notes ALTER COLUMN id TYPE smallint":                 {listNotes.name}, // it asks for what is below the largest id
		"ALTER TABLE notes ALTER COLUMN body TYPE varchar(20)":            {createNote.name},
	} {
		t.Run(change, func(t *testing.T) {
			d := prepared(t)
			d.Execute(change)
			if got := broken(contract(t, d)); !slices.Equal(got, want) {
				t.Errorf("broken are %v, want %v", got, want)
			}
		})
	}
}

func TestTheContractNeedsTheAppsOwnRights(t *testing.T) {
	d := prepared(t)
	d.Execute("REVOKE DELETE ON notes FROM app_rw")
	outcome := contract(t, d)
	if got := broken(outcome); !slices.Equal(got, []string{deleteNote.name}) {
		t.Errorf("broken are %v", got)
	}
	if !strings.Contains(outcome.Failures[0].Error, "permission denied for table notes") {
		t.Errorf("got %+v", outcome.Failures)
	}
}

func TestTheContractSeesAnOldSchema(t *testing.T) {
	d := prepared(t)
	outcome, err := Contract(t.Context(), d.Connect(d.App()), schema.Latest()+1, 5*time.Second)
	if err != nil || !slices.Equal(broken(outcome), []string{schemaVersion.name}) {
		t.Errorf("got %+v, %v", outcome, err)
	}
}
