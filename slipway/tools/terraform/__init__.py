"""OpenTofu: its commands, its state, the state's lock and encryption, and its provider."""
