"""PgBouncer in the machine of a server: pools that clients see as databases, on a port of their own, over TLS.

It checks a client's password against what PostgreSQL keeps of it, so it knows none; and it opens its own connections
through the socket that it alone may open.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from localocean.host.errors import HostError
from localocean.host.postgres.layout import POOL_PORT, POOLER, POOLER_UNIT, PORT, SOCKETS, TLS
from localocean.host.postgres.server import Postgres, quoted

SESSION, TRANSACTION, STATEMENT = "session", "transaction", "statement"
MODES = (SESSION, TRANSACTION, STATEMENT)
CLIENTS = 5000
"""Connections that all pools of a server take together, as at DigitalOcean."""

AUTHENTICATION = (
    "SELECT rolname, rolpassword FROM pg_catalog.pg_authid"
    " WHERE rolname = $1 AND rolcanlogin AND NOT rolsuper AND NOT rolreplication"
)
PUT = f"""
umask 027
cat >{POOLER}/"$1.draft"
chown postgres:postgres {POOLER}/"$1.draft"
mv {POOLER}/"$1.draft" {POOLER}/"$1"
"""


@dataclass(frozen=True)
class Pool:
    """At most ``size`` connections to a database; as ``user``, or for nobody in particular as who comes in."""

    name: str
    database: str
    mode: str
    size: int
    user: str = ""


def set_pools(server: Postgres, pools: Sequence[Pool], *, anew: bool = False) -> None:
    """Have exactly these pools; without any, PgBouncer does not run. Raises ``HostError``.

    It starts ``anew``, and all its clients have to connect again, when one that it has is another now: told to read
    its settings again, it would go on with the user of before.
    """
    if not pools:
        server.shell(f"systemctl --quiet disable --now {POOLER_UNIT}")
        return
    server.shell(PUT, "userlist.txt", input="")
    server.shell(PUT, "access.conf", input=access(pools))
    server.shell(PUT, "pgbouncer.ini", input=configuration(pools))
    verb = "restart" if anew else "reload-or-restart"
    server.shell(f"systemctl --quiet enable {POOLER_UNIT}; systemctl {verb} {POOLER_UNIT}")


def configuration(pools: Sequence[Pool]) -> str:
    """The text of ``pgbouncer.ini``."""
    databases = "".join(f"{_plain(pool.name)} = {_connection(pool)}\n" for pool in pools)
    return f"""\
[databases]
{databases}
[pgbouncer]
listen_addr = *
listen_port = {POOL_PORT}
unix_socket_dir =
auth_type = hba
auth_hba_file = {POOLER}/access.conf
auth_file = {POOLER}/userlist.txt
auth_user = postgres
auth_query = {AUTHENTICATION}
client_tls_sslmode = require
client_tls_cert_file = {TLS}/server.pem
client_tls_key_file = {TLS}/server.key
client_tls_protocols = secure
max_client_conn = {CLIENTS}
ignore_startup_parameters = extra_float_digits,options
"""


def access(pools: Sequence[Pool]) -> str:
    """Who may use which pool: of one that acts as a user, that user alone. What is not named may not."""
    lines = (
        f"hostssl {_plain(pool.name)} {quoted(pool.user) if pool.user else 'all'} 0.0.0.0/0 scram-sha-256"
        for pool in pools
    )
    return "hostssl all postgres 0.0.0.0/0 reject\n" + "".join(f"{line}\n" for line in lines)


def _plain(name: str) -> str:
    """A pool's name, as PgBouncer reads one without quotes. Raises ``HostError`` for one that would need them."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise HostError(f"PgBouncer cannot have a pool {name!r}.", "Choose a name of letters, digits, _ and -.")
    return name


def _connection(pool: Pool) -> str:
    values = {"host": SOCKETS, "port": str(PORT), "dbname": pool.database, "pool_mode": pool.mode}
    if pool.user:
        values["user"] = pool.user
    words = [f"{name}='{value.replace(chr(39), chr(39) * 2)}'" for name, value in values.items()]
    return " ".join([*words, f"pool_size={pool.size}"])
