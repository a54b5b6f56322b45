"""One environment of a project: its reference file, its keys, its secrets, and the session that holds them together."""
