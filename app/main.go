// Command app is the service that a release puts on a droplet.
//
// Without arguments it serves: it takes its configuration from the environment
// only and says on stdout, one JSON object per line, what it does. With a
// command it answers with one JSON object and ends; see command.Usage.
//
// Exit codes: 0 after a clean stop, or when a command did what it should; 1
// when it could not run, could not finish its requests in time, or a command
// failed for the reason in its answer; 2 when the configuration, the command
// line or what a command reads from stdin is wrong.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/gin-gonic/gin"

	"app/internal/command"
	"app/internal/config"
	"app/internal/database"
	"app/internal/health"
	"app/internal/lifecycle"
	"app/internal/schema"
	"app/internal/store"
	"app/internal/web"
)

// Stamped by the linker: -X main.version=… -X main.commit=…
var (
	version = "dev"
	commit  = "unknown"
)

func main() {
	if len(os.Args) > 1 {
		os.Exit(answer(os.Args[1:]))
	}
	os.Exit(serve(slog.New(slog.NewJSONHandler(os.Stdout, nil))))
}

// answer handles a command line.
func answer(arguments []string) int {
	if len(arguments) == 1 && (arguments[0] == "--version" || arguments[0] == "-version") {
		fmt.Printf("app %s (%s)\n", version, commit)
		return 0
	}
	// A command that is interrupted undoes what it began.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer stop()
	around := command.Environment{Version: version, Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout}
	code, found := command.Run(ctx, arguments, around)
	if !found {
		fmt.Fprintln(os.Stderr, command.Usage)
	}
	return code
}

func serve(logger *slog.Logger) int {
	// Registered first, so that a stop during the start is a clean stop too.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)

	settings, problems := config.Load(os.Environ())
	if len(problems) > 0 {
		logger.Error("the configuration is wrong", "problems", problems)
		return 2
	}
	gin.SetMode(gin.ReleaseMode)

	site := web.Site{
		Release: web.Release{
			Version: version, Commit: commit, Image: settings.Image,
			Release: settings.Release, Host: hostname(), Message: settings.Message,
		},
		WriteToken: settings.WriteToken,
		Logger:     logger,
	}
	checks := []health.Check{health.Accepting(settings.DependsOn)}
	if settings.Database.URL != "" {
		pool, err := open(settings.Database)
		if err != nil {
			logger.Error("the configuration is wrong", "problems", []string{"APP_DATABASE_URL: " + err.Error()})
			return 2
		}
		defer pool.Close()
		notes := store.New(pool)
		site.Notes, checks = notes, append(checks, notes.Ready(schema.Latest()))
	}
	site.State = health.NewState(health.NewProbe(logger, checks...))
	listener, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(settings.Port)))
	if err != nil {
		logger.Error("cannot listen", "port", settings.Port, "error", err.Error())
		return 1
	}
	service := lifecycle.Service{
		Server:          site.Server(),
		State:           site.State,
		Logger:          logger,
		DrainDelay:      settings.DrainDelay,
		ShutdownTimeout: settings.ShutdownTimeout,
	}
	logger.Info("starting", "version", version, "commit", commit, "image", settings.Image,
		"release", settings.Release, "port", settings.Port)
	if err := service.Run(listener, signals); err != nil {
		logger.Error("stopped", "error", err.Error())
		return 1
	}
	logger.Info("stopped")
	return 0
}

func open(settings config.Database) (*database.Pool, error) {
	connection, err := database.Config(settings.URL, "")
	if err != nil {
		return nil, err
	}
	return database.Open(connection, database.Limits{
		Connections: settings.PoolSize,
		Connect:     settings.ConnectTimeout,
		Acquire:     settings.PoolTimeout,
		Query:       settings.QueryTimeout,
	})
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
