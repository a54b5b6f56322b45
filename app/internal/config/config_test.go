package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func environ(values map[string]string) []string {
	var entries []string
	for name, value := range values {
		entries = append(entries, name+"="+value)
	}
	return entries
}

var defaults = Database{
	PoolSize: 5, ConnectTimeout: 3 * time.Second, PoolTimeout: time.Second, QueryTimeout: 3 * time.Second,
}

func TestAnEmptyEnvironmentGivesTheDefaults(t *testing.T) {
	got, problems := Load(nil)
	want := Config{Port: 80, Image: "unknown", Release: "unknown", ShutdownTimeout: 10 * time.Second, Database: defaults}
	if len(problems) != 0 || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v; want %+v", got, problems, want)
	}
}

func TestEveryVariableIsRead(t *testing.T) {
	got, problems := Load(environ(map[string]string{
		"PORT": "8080", "APP_IMAGE": "app-v1-abc", "APP_RELEASE": "v1-def", "APP_MESSAGE": "Grüße, \"you\"",
		"APP_SHUTDOWN_TIMEOUT": "2m", "APP_DRAIN_DELAY": "3s", "APP_DEPENDS_ON": "db:5432, [::1]:6379",
		"APP_WRITE_TOKEN": "0123456789abcdef", "APP_DATABASE_URL": "postgres://app_1:secret@10.0.0.2:25060/app",
		"APP_DATABASE_POOL_SIZE": "9", "APP_DATABASE_CONNECT_TIMEOUT": "4s", "APP_DATABASE_POOL_TIMEOUT": "2s",
		"APP_DATABASE_QUERY_TIMEOUT": "1s", "PATH": "/bin",
	}))
	want := Config{
		Port: 8080, Image: "app-v1-abc", Release: "v1-def", Message: "Grüße, \"you\"",
		ShutdownTimeout: 2 * time.Minute, DrainDelay: 3 * time.Second, DependsOn: []string{"db:5432", "[::1]:6379"},
		WriteToken: "0123456789abcdef",
		Database: Database{
			URL: "postgres://app_1:secret@10.0.0.2:25060/app", PoolSize: 9,
			ConnectTimeout: 4 * time.Second, PoolTimeout: 2 * time.Second, QueryTimeout: time.Second,
		},
	}
	if len(problems) != 0 || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v; want %+v", got, problems, want)
	}
}

func TestAllProblemsAreNamedAtOnce(t *testing.T) {
	_, problems := Load(environ(map[string]string{
		"PORT": "eighty", "APP_SHUTDOWN_TIMEOUT": "10", "APP_DRAIN_DELAY": "1h",
		"APP_DEPENDS_ON": "db,cache:6379,:80,db:0", "APP_MESSAGE": "two\nlines",
		"APP_DATABASE_POOL_SIZE": "0", "APP_COLOUR": "red",
	}))
	want := []string{
		`APP_DATABASE_POOL_SIZE="0"`, `APP_COLOUR: there is no such setting`,
		`APP_MESSAGE="two\nlines"`, `PORT="eighty"`, `APP_SHUTDOWN_TIMEOUT="10"`, `APP_DRAIN_DELAY="1h"`,
		`APP_DEPENDS_ON="db"`, `APP_DEPENDS_ON=":80"`, `APP_DEPENDS_ON="db:0"`,
	}
	if len(problems) != len(want) {
		t.Fatalf("got %d problems, want %d: %v", len(problems), len(want), problems)
	}
	for _, fragment := range want {
		if !strings.Contains(strings.Join(problems, "\n"), fragment) {
			t.Errorf("%s is not among %v", fragment, problems)
		}
	}
}

func TestAPortOutOfRangeIsRefused(t *testing.T) {
	for _, port := range []string{"0", "-1", "65536", "80a"} {
		if _, problems := Load(environ(map[string]string{"PORT": port})); len(problems) != 1 {
			t.Errorf("PORT=%s: got %v, want one problem", port, problems)
		}
	}
}

func TestAProblemWithASecretDoesNotRepeatIt(t *testing.T) {
	for name, value := range map[string]string{
		"APP_WRITE_TOKEN": "hunter2", "APP_DATABASE_URL": "mysql://app:hunter2@db/app",
	} {
		_, problems := Load([]string{name + "=" + value})
		if len(problems) != 1 || !strings.HasPrefix(problems[0], name) || strings.Contains(problems[0], "hunter2") {
			t.Errorf("%s: got %v", name, problems)
		}
	}
}

func TestEverySettingIsDescribed(t *testing.T) {
	names := map[string]bool{}
	for _, setting := range Settings() {
		names[setting.Name] = true
		if setting.Kind == "" || setting.Description == "" {
			t.Errorf("%+v says too little", setting)
		}
		if setting.Secret != (setting.Name == "APP_DATABASE_URL" || setting.Name == "APP_WRITE_TOKEN") {
			t.Errorf("%s: secret is %v", setting.Name, setting.Secret)
		}
	}
	if len(names) != len(Settings()) || !names["PORT"] || !names["APP_DATABASE_QUERY_TIMEOUT"] {
		t.Errorf("got %v", names)
	}
}
