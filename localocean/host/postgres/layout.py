"""Where things are in a machine of the base image: shared by what makes the base and by what uses it."""

from __future__ import annotations

VERSION = "15"
"""PostgreSQL's, as Debian 12 has it."""

PORT, POOL_PORT, METRICS_PORT = 25060, 25061, 9273
STANDBYS = "replicators"
"""The group of those who may follow the server, and do nothing else with it."""

ADMIN, DEFAULT_DATABASE = "doadmin", "defaultdb"

OWNER = 900
"""User and group id of ``postgres`` in the base image, where it is the first to be made."""

PROGRAMS = f"/usr/lib/postgresql/{VERSION}/bin"
DATA = f"/var/lib/postgresql/{VERSION}/main"
SETTINGS = f"/etc/postgresql/{VERSION}/main"
SOCKETS = "/run/postgresql"
TLS = "/etc/postgresql/tls"
POOLER = "/etc/pgbouncer"
METRICS = "/etc/postgresql/metrics.json"
"""Who may read the metrics, and the certificate with which they are served."""


SERVER_UNIT, POOLER_UNIT = "localocean-postgres.service", "pgbouncer.service"
METRICS_UNIT = "localocean-metrics.service"
