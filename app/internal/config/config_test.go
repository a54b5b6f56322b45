package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func lookup(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, found := values[name]
		return value, found
	}
}

func TestAnEmptyEnvironmentGivesTheDefaults(t *testing.T) {
	got, problems := Load(lookup(nil))
	want := Config{Port: 80, Image: "unknown", Release: "unknown", ShutdownTimeout: 10 * time.Second}
	if len(problems) != 0 || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v; want %+v", got, problems, want)
	}
}

func TestEveryVariableIsRead(t *testing.T) {
	got, problems := Load(lookup(map[string]string{
		"PORT": "8080", "APP_IMAGE": "app-v1-abc", "APP_RELEASE": "v1-def", "APP_MESSAGE": "Grüße, \"you\"",
		"APP_SHUTDOWN_TIMEOUT": "2m", "APP_DRAIN_DELAY": "3s", "APP_DEPENDS_ON": "db:5432, [::1]:6379",
	}))
	want := Config{
		Port: 8080, Image: "app-v1-abc", Release: "v1-def", Message: "Grüße, \"you\"",
		ShutdownTimeout: 2 * time.Minute, DrainDelay: 3 * time.Second, DependsOn: []string{"db:5432", "[::1]:6379"},
	}
	if len(problems) != 0 || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v; want %+v", got, problems, want)
	}
}

func TestAllProblemsAreNamedAtOnce(t *testing.T) {
	_, problems := Load(lookup(map[string]string{
		"PORT": "eighty", "APP_SHUTDOWN_TIMEOUT": "10", "APP_DRAIN_DELAY": "1h",
		"APP_DEPENDS_ON": "db,cache:6379,:80,db:0", "APP_MESSAGE": "two\nlines",
	}))
	want := []string{
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
		if _, problems := Load(lookup(map[string]string{"PORT": port})); len(problems) != 1 {
			t.Errorf("PORT=%s: got %v, want one problem", port, problems)
		}
	}
}
