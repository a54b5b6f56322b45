package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"app/internal/database"
)

const unreadable = "the schema's version cannot be read"

// Options say what is to be done, and for how long.
type Options struct {
	To          int64         // up to this migration; 0 is the last
	Timeout     time.Duration // for each migration, and each of its statements
	LockTimeout time.Duration // for the lock of migrations, and each lock a migration takes
	Role        string        // becomes a member of app_rw; may be empty
	Rehearsal   string        // in this database instead, made for it when it is not there
}

// Report is what was done.
type Report struct {
	From    int64     `json:"from"`
	To      int64     `json:"to"`
	Applied []Applied `json:"applied"`
}

// Applied is a migration that was applied, and how long it took.
type Applied struct {
	Version int64  `json:"version"`
	Name    string `json:"name"`
	Ms      int64  `json:"ms"`
}

// Migrator migrates one database of one cluster, as an administrator of it.
type Migrator struct {
	admin      *pgx.ConnConfig
	files      fs.FS
	migrations []Migration
	options    Options
}

// NewMigrator checks the options against the migrations in files.
func NewMigrator(admin *pgx.ConnConfig, files fs.FS, options Options) (*Migrator, error) {
	migrations, err := Migrations(files)
	if err != nil {
		return nil, err
	}
	latest := int64(len(migrations))
	if options.To < 0 || options.To > latest {
		return nil, fmt.Errorf("this version has no migration %d; its last is %d", options.To, latest)
	}
	if options.To == 0 {
		options.To = latest
	}
	return &Migrator{admin: bounded(admin, options), files: files, migrations: migrations, options: options}, nil
}

// bounded makes the server itself end what takes too long, or what nobody waits for any more.
func bounded(config *pgx.ConnConfig, options Options) *pgx.ConnConfig {
	config = config.Copy()
	config.ConnectTimeout = min(options.Timeout, 10*time.Second)
	milliseconds := func(length time.Duration) string { return strconv.FormatInt(length.Milliseconds(), 10) }
	config.RuntimeParams["application_name"] = "app migrate"
	config.RuntimeParams["statement_timeout"] = milliseconds(options.Timeout)
	config.RuntimeParams["idle_in_transaction_session_timeout"] = milliseconds(options.Timeout)
	config.RuntimeParams["lock_timeout"] = milliseconds(options.LockTimeout)
	config.RuntimeParams["client_connection_check_interval"] = "1000"
	// A droplet that vanishes says no goodbye, and its lock must not outlive it by hours: 5 s of silence, 2 questions.
	config.RuntimeParams["tcp_keepalives_idle"] = "5"
	config.RuntimeParams["tcp_keepalives_interval"] = "5"
	config.RuntimeParams["tcp_keepalives_count"] = "2"
	return config
}

// Status says where the database stands, without writing anything.
func (m *Migrator) Status(ctx context.Context) (Status, error) {
	connection, err := connect(ctx, m.admin)
	if err != nil {
		return Status{}, err
	}
	defer closing(ctx, connection)
	version, err := current(ctx, connection)
	if err != nil {
		return Status{}, Fail(unreadable, err)
	}
	status := Status{Current: version, Latest: int64(len(m.migrations)), Pending: []int64{}}
	for _, migration := range pending(m.migrations, version, m.options.To) {
		status.Pending = append(status.Pending, migration.Version)
	}
	return status, nil
}

// Migrate applies what is pending and sees to the rights of the app. A database
// that is further than this version is left where it is. What is no rehearsal
// removes first what one that was killed has left. The report is right in any
// case; the error is a *Failure.
func (m *Migrator) Migrate(ctx context.Context) (Report, error) {
	holder, err := locked(ctx, m.admin, m.options.LockTimeout)
	if err != nil {
		return Report{Applied: []Applied{}}, err
	}
	defer closing(ctx, holder)
	target := m.admin
	if m.options.Rehearsal != "" {
		if err := rehearse(ctx, holder, m.options.Rehearsal); err != nil {
			return Report{Applied: []Applied{}}, err
		}
		target = m.admin.Copy()
		target.Database = m.options.Rehearsal
	} else if err := drop(ctx, holder, rehearsalOf(m.admin.Database)); err != nil {
		return Report{Applied: []Applied{}}, err
	}
	return m.migrate(ctx, target)
}

// DropRehearsal removes the database of a rehearsal.
func (m *Migrator) DropRehearsal(ctx context.Context, name string) error {
	holder, err := locked(ctx, m.admin, m.options.LockTimeout)
	if err != nil {
		return err
	}
	defer closing(ctx, holder)
	return drop(ctx, holder, name)
}

func (m *Migrator) migrate(ctx context.Context, target *pgx.ConnConfig) (Report, error) {
	report := Report{Applied: []Applied{}}
	connection, err := connect(ctx, target)
	if err != nil {
		return report, err
	}
	defer closing(ctx, connection)
	if report.From, err = current(ctx, connection); err != nil {
		return report, Fail(unreadable, err)
	}
	report.To = report.From

	pool := stdlib.OpenDB(*target)
	defer func() { _ = pool.Close() }()
	provider, err := goose.NewProvider(goose.DialectPostgres, pool, m.files)
	if err != nil {
		return report, fmt.Errorf("the migrations cannot be read: %w", err)
	}
	for _, step := range pending(m.migrations, report.From, m.options.To) {
		began := time.Now()
		if err := m.apply(ctx, provider, connection, step); err != nil {
			return report, err
		}
		report.To = step.Version
		report.Applied = append(report.Applied, Applied{step.Version, step.Name, time.Since(began).Milliseconds()})
	}
	if err := grant(ctx, connection, target.Database, m.options.Role); err != nil {
		return report, Fail("the rights of the app cannot be set", err)
	}
	return report, nil
}

// apply takes one step. When it fails, the database is asked whether the
// transaction was committed after all, as when the connection broke in its last
// moment; only the database knows.
func (m *Migrator) apply(ctx context.Context, provider *goose.Provider, connection *pgx.Conn, step Migration) error {
	limited, cancel := context.WithTimeout(ctx, m.options.Timeout)
	defer cancel()
	_, failure := provider.UpTo(limited, step.Version)
	if failure == nil {
		return nil
	}
	version, err := current(context.WithoutCancel(ctx), connection)
	if err == nil && version >= step.Version {
		return nil
	}
	after := "nothing of it was applied"
	if err != nil {
		after = "the database does not say whether it was applied"
	}
	reason, why := m.why(ctx, failure)
	message := fmt.Sprintf("migration %d (%s) %s; %s", step.Version, step.Name, why, after)
	return &Failure{Reason: reason, Version: step.Version, message: message}
}

func (m *Migrator) why(ctx context.Context, failure error) (reason, sentence string) {
	switch {
	case ctx.Err() != nil:
		return Timeout, "was interrupted"
	case database.IsLockTimeout(failure):
		return Locked, fmt.Sprintf("waited longer than %s for a lock that another connection holds", m.options.LockTimeout)
	case database.IsCancelled(failure), errors.Is(failure, context.DeadlineExceeded):
		return Timeout, fmt.Sprintf("took longer than %s and was stopped", m.options.Timeout)
	case database.IsRefusal(failure):
		return Broken, "failed: " + database.Explain(failure)
	}
	return Unreachable, "lost the database: " + database.Explain(failure)
}
