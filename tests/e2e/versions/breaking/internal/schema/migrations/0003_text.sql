-- +goose Up
ALTER TABLE notes RENAME COLUMN body TO text;
