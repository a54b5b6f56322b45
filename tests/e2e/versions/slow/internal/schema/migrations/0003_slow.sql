-- +goose Up
CREATE TABLE slow (id bigint PRIMARY KEY);
SELECT pg_sleep(600) FROM notes LIMIT 1;
