// Package command is the binary as the pipeline calls it: one JSON object on
// stdout, whatever happens, and an exit code.
package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"app/internal/config"
	"app/internal/schema"
)

// Exit codes.
const (
	Done    = 0
	Failed  = 1 // tried, and the error says why it is not done
	Misused = 2 // the command line, the configuration or what stands on stdin is wrong
)

// Environment is what a command finds around it.
type Environment struct {
	Version string
	Environ []string // as os.Environ
	Stdin   io.Reader
	Stdout  io.Writer
}

// Usage says what there is.
const Usage = `usage: app                 serve; configuration is read from the environment
       app --version
       app settings        the variables that configure it
       app schema          the migrations in this binary
       app migrate [--status] [--to N] [--role NAME] [--timeout 60s] [--lock-timeout 5s]
                   [--rehearsal NAME | --drop-rehearsal NAME]
                           wants {"url": "postgres://…", "ca": "PEM"} on stdin
       app contract [--database NAME]
                           tries every query, and rolls back`

// Run runs a command to its end and returns the exit code; the second value is
// false when there is no such command.
func Run(ctx context.Context, arguments []string, around Environment) (int, bool) {
	commands := map[string]func(context.Context, []string, Environment) (any, error){
		"settings": settings, "schema": migrations, "migrate": migrate, "contract": contract,
	}
	run, found := commands[arguments[0]]
	if !found {
		return Misused, false
	}
	answer, err := run(ctx, arguments[1:], around)
	if answer == nil {
		answer = struct{}{}
	}
	return write(around.Stdout, answer, err), true
}

// misuse is an error of whoever called.
type misuse struct{ error }

func misused(format string, arguments ...any) error { return misuse{fmt.Errorf(format, arguments...)} }

// errNotOk ends a command with Failed whose answer says it all.
var errNotOk = errors.New("not ok")

// write puts the error beside what the answer says.
func write(stdout io.Writer, answer any, failure error) int {
	encoded, err := json.Marshal(answer)
	if err != nil {
		panic(err) // answers are structs of this package
	}
	code := Done
	if failure != nil {
		code = Failed
		fields := map[string]any{}
		if err := json.Unmarshal(encoded, &fields); err != nil {
			panic(err)
		}
		var wrong misuse
		var failed *schema.Failure
		switch {
		case errors.As(failure, &wrong):
			code = Misused
			fields["error"] = failure.Error()
		case errors.As(failure, &failed):
			fields["error"], fields["reason"] = failure.Error(), failed.Reason
			if failed.Version != 0 {
				fields["version"] = failed.Version
			}
		case !errors.Is(failure, errNotOk):
			fields["error"] = failure.Error()
		}
		encoded, _ = json.Marshal(fields)
	}
	_, _ = fmt.Fprintf(stdout, "%s\n", encoded)
	return code
}

func settings(_ context.Context, arguments []string, _ Environment) (any, error) {
	if len(arguments) > 0 {
		return nil, misused("app settings takes nothing")
	}
	return map[string]any{"settings": config.Settings()}, nil
}

func migrations(_ context.Context, arguments []string, _ Environment) (any, error) {
	if len(arguments) > 0 {
		return nil, misused("app schema takes nothing")
	}
	found, err := schema.Migrations(schema.Files())
	if err != nil {
		return nil, err
	}
	return map[string]any{"migrations": found, "latest": schema.Latest()}, nil
}
