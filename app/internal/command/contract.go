package command

import (
	"context"
	"flag"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"app/internal/config"
	"app/internal/database"
	"app/internal/schema"
	"app/internal/store"
)

// verdict is what contract answers.
type verdict struct {
	OK      bool   `json:"ok"`
	Version string `json:"version"`
	store.Outcome
}

func contract(ctx context.Context, arguments []string, around Environment) (any, error) {
	flags := flag.NewFlagSet("app contract", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	name := flags.String("database", "", "")
	if err := flags.Parse(arguments); err != nil {
		return nil, misuse{err}
	}
	if flags.NArg() > 0 {
		return nil, misused("app contract has no argument %q", flags.Arg(0))
	}
	settings, problems := config.Load(around.Environ)
	if len(problems) > 0 {
		return nil, misused("the configuration is wrong: %s", strings.Join(problems, "; "))
	}
	if settings.Database.URL == "" {
		return nil, misused("APP_DATABASE_URL is not set: without a database there is nothing to try")
	}
	connection, err := database.Config(settings.Database.URL, "")
	if err != nil {
		return nil, misuse{err}
	}
	if *name != "" {
		connection.Database = *name
	}
	return try(ctx, connection, settings.Database, around.Version)
}

// try runs the contract on a connection of its own; one that cannot be asked
// fails it as well.
func try(ctx context.Context, target *pgx.ConnConfig, limits config.Database, version string) (verdict, error) {
	found := verdict{Version: version, Outcome: store.Outcome{Failures: []store.Failure{}}}
	target.ConnectTimeout = limits.ConnectTimeout
	connection, err := pgx.ConnectConfig(ctx, target)
	if err != nil {
		return found, unreachable(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = connection.Close(ctx)
	}()
	found.Outcome, err = store.Contract(ctx, connection, schema.Latest(), limits.QueryTimeout)
	if err != nil {
		return found, unreachable(err)
	}
	if found.OK = len(found.Failures) == 0; !found.OK {
		return found, errNotOk
	}
	return found, nil
}

func unreachable(err error) error { return schema.Fail("the contract cannot be tried", err) }
