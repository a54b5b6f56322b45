"""DigitalOcean's API v2 over HTTP: reads requests, asks the engine, writes answers; decides nothing."""
