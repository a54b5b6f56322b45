package command

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"app/internal/database"
	"app/internal/schema"
)

// maxStdin bounds what is read, in bytes: a URL and some certificates.
const maxStdin = 256 << 10

// order is the command line of migrate.
type order struct {
	schema.Options
	status bool
	drop   string
}

func migrate(ctx context.Context, arguments []string, around Environment) (any, error) {
	asked, err := parse(arguments)
	if err != nil {
		return nil, err
	}
	admin, err := administrator(around.Stdin)
	if err != nil {
		return nil, err
	}
	migrator, err := schema.NewMigrator(admin, schema.Files(), asked.Options)
	if err != nil {
		return nil, misuse{err}
	}
	switch {
	case asked.status:
		return migrator.Status(ctx)
	case asked.drop != "":
		if err := migrator.DropRehearsal(ctx, asked.drop); err != nil {
			return nil, err
		}
		return map[string]string{"dropped": asked.drop}, nil
	}
	return migrator.Migrate(ctx)
}

func parse(arguments []string) (order, error) {
	var asked order
	flags := flag.NewFlagSet("app migrate", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&asked.status, "status", false, "")
	flags.Int64Var(&asked.To, "to", 0, "")
	flags.StringVar(&asked.Role, "role", "", "")
	flags.StringVar(&asked.Rehearsal, "rehearsal", "", "")
	flags.StringVar(&asked.drop, "drop-rehearsal", "", "")
	flags.DurationVar(&asked.Timeout, "timeout", time.Minute, "")
	flags.DurationVar(&asked.LockTimeout, "lock-timeout", 5*time.Second, "")
	if err := flags.Parse(arguments); err != nil {
		return asked, misuse{err}
	}
	if flags.NArg() > 0 {
		return asked, misused("app migrate has no argument %q", flags.Arg(0))
	}
	if asked.Timeout < time.Millisecond || asked.LockTimeout < time.Millisecond {
		return asked, misused("--timeout and --lock-timeout are durations such as 60s, from 1ms on")
	}
	modes := 0
	for _, given := range []bool{asked.status, asked.Rehearsal != "", asked.drop != ""} {
		if given {
			modes++
		}
	}
	if modes > 1 {
		return asked, misused("--status, --rehearsal and --drop-rehearsal exclude each other")
	}
	for _, name := range []string{asked.Rehearsal, asked.drop} {
		if name != "" {
			if err := schema.CheckRehearsal(name); err != nil {
				return asked, misuse{err}
			}
		}
	}
	return asked, nil
}

// administrator reads who migrates, and where. The password comes on stdin, and
// so is on no command line, in no environment and in no file.
func administrator(stdin io.Reader) (*pgx.ConnConfig, error) {
	if file, isFile := stdin.(*os.File); isFile {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return nil, misused(`the database is read from stdin: {"url": "postgres://…", "ca": "PEM"}`)
		}
	}
	var given struct{ URL, CA string }
	decoder := json.NewDecoder(io.LimitReader(stdin, maxStdin))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&given); err != nil {
		// What the decoder says could repeat a part of the secret.
		return nil, misused(`stdin should be {"url": "postgres://…", "ca": "PEM"}, and is not`)
	}
	config, err := database.Config(given.URL, given.CA)
	if err != nil {
		return nil, misuse{err}
	}
	return config, nil
}
