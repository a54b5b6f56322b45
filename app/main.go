// Command app is the service that a release puts on a droplet.
//
// It takes its configuration from the environment only and says on stdout, one
// JSON object per line, what it does. Exit codes: 0 after a clean stop, 1 when
// it could not run or could not finish its requests in time, 2 when its
// configuration is wrong.
package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/gin-gonic/gin"

	"app/internal/config"
	"app/internal/health"
	"app/internal/lifecycle"
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

// answer handles the command line, which has a single flag: everything else is
// configured by the environment.
func answer(arguments []string) int {
	if len(arguments) == 1 && (arguments[0] == "--version" || arguments[0] == "-version") {
		fmt.Printf("app %s (%s)\n", version, commit)
		return 0
	}
	fmt.Fprintln(os.Stderr, "usage: app [--version]; configuration is read from the environment")
	return 2
}

func serve(logger *slog.Logger) int {
	// Registered first, so that a stop during the start is a clean stop too.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)

	settings, problems := config.Load(os.LookupEnv)
	if len(problems) > 0 {
		logger.Error("the configuration is wrong", "problems", problems)
		return 2
	}
	gin.SetMode(gin.ReleaseMode)

	state := health.NewState(health.NewDependencies(settings.DependsOn, logger))
	release := web.Release{
		Version: version, Commit: commit, Image: settings.Image,
		Release: settings.Release, Host: hostname(), Message: settings.Message,
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(settings.Port)))
	if err != nil {
		logger.Error("cannot listen", "port", settings.Port, "error", err.Error())
		return 1
	}
	service := lifecycle.Service{
		Server:          web.NewServer(release, state, logger),
		State:           state,
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

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
