"""What a server tells of itself to a Prometheus: over TLS, on a port of its own, to the one user of the account.

Debian's exporter reads who that is at each request, so another password counts at once.
"""

from __future__ import annotations

import json
import secrets
import string

from localocean.host.postgres.layout import METRICS, TLS
from localocean.host.postgres.server import Postgres
from localocean.host.run import run

COST = 6
"""Of the password's hash, which is checked at each request."""

SALT = string.ascii_letters + string.digits + "./"
PUT = f"""
umask 027
cat >{METRICS}.draft
chown postgres:postgres {METRICS}.draft
mv {METRICS}.draft {METRICS}
"""


def settings(username: str, password: str) -> str:
    """The exporter's settings of its web server; JSON is YAML, which it reads. Raises ``HostError``."""
    return json.dumps(
        {
            "tls_server_config": {"cert_file": f"{TLS}/server.pem", "key_file": f"{TLS}/server.key"},
            "basic_auth_users": {username: _hash(password)},
        }
    )


def let_in(server: Postgres, username: str, password: str) -> None:
    """Let that user read the metrics of a running server, and nobody else. Raises ``HostError``."""
    server.shell(PUT, input=settings(username, password))


def _hash(password: str) -> str:
    """A bcrypt hash, which the system's crypt(3) makes, and Perl, which every Debian has, can ask for."""
    salt = "".join(secrets.choice(SALT) for _ in range(22))
    script = "chomp($_ = <STDIN>); print crypt($_, $ARGV[0])"
    return run(["perl", "-e", script, f"$2b${COST:02}${salt}"], input=f"{password}\n")
