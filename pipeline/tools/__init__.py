"""One file for each outside tool; nothing else in the pipeline starts a process or speaks to a service."""
