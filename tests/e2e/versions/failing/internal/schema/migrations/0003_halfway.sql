-- +goose Up
CREATE TABLE halfway (id bigint PRIMARY KEY);
CREATE UNIQUE INDEX ON notes (body);
