"""One file for each outside tool; nothing else in slipway starts a process or speaks to a service."""
