"""The local cloud: a server that speaks the DigitalOcean API v2 over real machines on this host."""
