"""What a database machine is told before each boot: addresses, certificate, who may come in, limits of its size.

cloud-init takes no part: the machine is nobody's to configure, and boots in half the time without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from localocean.host import inside
from localocean.host.postgres.authority import Identity
from localocean.host.postgres.layout import METRICS, OWNER, PORT, SETTINGS, SOCKETS, STANDBYS, TLS

CONNECTIONS_PER_GIB, MOST_CONNECTIONS = 25, 1000
"""DigitalOcean's: 25 connections for each GiB of memory, 1000 at most, 3 of them kept for the operator."""

KEPT_CONNECTIONS = 3

ACCESS = f"""\
# Only PostgreSQL's own user can open the socket (see unix_socket_permissions): that is the host, and PgBouncer, which
# has asked for the password of whom it lets in.
local    all          all                        trust
local    replication  postgres                   trust
hostssl  replication  +{STANDBYS}  all  scram-sha-256
hostssl  all          postgres,+{STANDBYS}  all  reject
hostssl  all          all                   all  scram-sha-256
"""


@dataclass(frozen=True)
class ServerSpec:
    """A database server as it is wanted. A ``standby`` follows another, which may be larger."""

    public_address: IPv4Address
    public_network: IPv4Network
    gateway: IPv4Address
    private_address: IPv4Address
    private_network: IPv4Network
    memory_mb: int
    identity: Identity
    standby: bool = False
    metrics: str = "{}"
    """The settings of who may read its metrics."""


def connections(memory_mb: int) -> int:
    """How many connections a server of this memory takes, those kept for the operator included."""
    return min(max(1, round(memory_mb / 1024)) * CONNECTIONS_PER_GIB, MOST_CONNECTIONS)


def write_server(root: Path, spec: ServerSpec) -> None:
    """Write everything into the mounted disk ``root``; to be done before each boot, and repeatable."""
    inside.write(root, "/etc/network/interfaces", interfaces(spec))
    inside.write(root, f"{TLS}/server.pem", spec.identity.certificate)
    inside.write(root, f"{TLS}/server.key", spec.identity.key, 0o640, OWNER)
    inside.write(root, f"{TLS}/authority.pem", spec.identity.authority)
    inside.write(root, METRICS, spec.metrics, 0o640, OWNER)
    inside.write(root, f"{SETTINGS}/conf.d/localocean.conf", settings(spec), 0o640, OWNER)
    inside.write(root, f"{SETTINGS}/pg_hba.conf", ACCESS, 0o640, OWNER)


def interfaces(spec: ServerSpec) -> str:
    """The text of interfaces(5): eth0 public with the default route, eth1 private."""
    return f"""\
auto lo eth0 eth1
iface lo inet loopback
iface eth0 inet static
    address {spec.public_address}/{spec.public_network.prefixlen}
    gateway {spec.gateway}
iface eth1 inet static
    address {spec.private_address}/{spec.private_network.prefixlen}
"""


def settings(spec: ServerSpec) -> str:
    """What differs from Debian's postgresql.conf.

    A standby must take as many connections as any primary does, or it stops to follow one that was resized.
    """
    values = {
        "listen_addresses": "'*'",
        "port": PORT,
        "unix_socket_directories": f"'{SOCKETS}'",
        "unix_socket_permissions": "0700",
        "ssl": "on",
        "ssl_cert_file": f"'{TLS}/server.pem'",
        "ssl_key_file": f"'{TLS}/server.key'",
        "ssl_min_protocol_version": "'TLSv1.2'",
        "password_encryption": "'scram-sha-256'",
        "max_connections": MOST_CONNECTIONS if spec.standby else connections(spec.memory_mb),
        "superuser_reserved_connections": KEPT_CONNECTIONS,
        "shared_buffers": f"'{max(64, spec.memory_mb // 5)}MB'",
        "effective_cache_size": f"'{spec.memory_mb * 3 // 5}MB'",
        "fsync": "on",
        "synchronous_commit": "on",
        "wal_level": "'replica'",
        "max_wal_senders": 20,
        "max_replication_slots": 20,
        "max_slot_wal_keep_size": "'2GB'",
        "wal_keep_size": "'64MB'",
        "hot_standby": "on",
        "log_line_prefix": "'%m [%p] %q[user=%u,db=%d,app=%a]'",
        # To the journal; not the statement that failed, which can hold somebody's password.
        "log_destination": "'stderr'",
        "log_min_error_statement": "'panic'",
    }
    return "".join(f"{name} = {value}\n" for name, value in values.items())
