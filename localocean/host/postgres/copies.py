"""Copies of a server's data: base backups in a file, servers restored of one, standbys that follow a primary.

A backup comes out of the machine, and goes into another, through a pipe of the host's: no way in is opened for it.
"""

from __future__ import annotations

import time
from ipaddress import IPv4Address
from pathlib import Path

from localocean.host.errors import HostError
from localocean.host.postgres.layout import DATA, PORT, PROGRAMS, SERVER_UNIT, SOCKETS, STANDBYS, TLS
from localocean.host.postgres.server import Postgres, quoted, text

HOUR = 3600.0
PAUSE = 0.05
PASSWORD_FILE = "/var/lib/postgresql/standby.pgpass"
STOP = f"systemctl stop {SERVER_UNIT}; find {DATA} -mindepth 1 -delete"
FOLLOW = f"""
{STOP}
umask 077
IFS= read -r password
printf '%s:%s:*:%s:%s\\n' "$1" {PORT} "$2" "$password" >{PASSWORD_FILE}
chown postgres:postgres {PASSWORD_FILE}
where="host=$1 port={PORT} user=$2 passfile={PASSWORD_FILE} sslmode=verify-full sslrootcert={TLS}/authority.pem"
setpriv --reuid=postgres --regid=postgres --init-groups --reset-env \\
  {PROGRAMS}/pg_basebackup --pgdata={DATA} --dbname="$where" \\
  --no-password --wal-method=stream --checkpoint=fast --write-recovery-conf --slot="$2"
systemctl start {SERVER_UNIT}
"""
"""The connection that it goes on with is in postgresql.auto.conf (0600), and names the file of the password."""


def back_up(server: Postgres, target: Path, timeout: float = HOUR) -> int:
    """Write a base backup of the whole server into a file that only root may read, and return its bytes.

    It is a compressed tar with all that it takes to start from it; the file is there when it is complete, which takes
    ``timeout`` seconds at most.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.draft")
    draft.unlink(missing_ok=True)
    options = ["--pgdata=-", "--format=tar", "--wal-method=fetch", "--checkpoint=fast", "--compress=client-gzip:1"]
    where = [f"--host={SOCKETS}", f"--port={PORT}", "--username=postgres", "--no-password"]
    try:
        server.run_to_file([f"{PROGRAMS}/pg_basebackup", *options, *where], target=draft, timeout=timeout)
        draft.rename(target)
    finally:
        draft.unlink(missing_ok=True)
    return target.stat().st_size


def restore(server: Postgres, source: Path) -> None:
    """Put a backup in the place of all that the server has, compare it with its manifest, and start from it.

    Options that were set of the server that it was made of stay behind.
    """
    server.shell(STOP)
    server.run_to_file(["tar", "--extract", "--gzip", f"--directory={DATA}"], source=source, timeout=HOUR)
    server.run_to_file([f"{PROGRAMS}/pg_verifybackup", "--quiet", DATA], timeout=HOUR)
    server.shell(f": >{DATA}/postgresql.auto.conf; systemctl start {SERVER_UNIT}", timeout=HOUR)
    server.wait_ready()
    _forget_standbys(server)


def admit(primary: Postgres, standby: str, password: str) -> None:
    """Let a standby follow: a user that can do nothing else, and a slot that keeps for it what it has not had yet."""
    primary.create_user(standby, password)
    primary.sql(
        f"ALTER ROLE {quoted(standby)} REPLICATION; GRANT {STANDBYS} TO {quoted(standby)};"
        f" SELECT pg_create_physical_replication_slot({text(standby)}, true)"
        f" WHERE NOT EXISTS (SELECT 1 FROM pg_replication_slots WHERE slot_name = {text(standby)})"
    )


def follow(standby: Postgres, primary: IPv4Address, name: str, password: str) -> None:
    """Make the server a standby, which it was admitted as under ``name``, and wait until it answers."""
    standby.shell(FOLLOW, str(primary), name, input=f"{password}\n", timeout=HOUR)
    standby.wait_ready()


def dismiss(primary: Postgres, standby: str) -> None:
    """Forget a standby. One that was never admitted is no error."""
    primary.sql(
        f"SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = {text(standby)}"
        " AND active_pid IS NOT NULL;"
        f" SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = {text(standby)};"
        f" DROP ROLE IF EXISTS {quoted(standby)}"
    )


def promote(standby: Postgres) -> None:
    """Make a standby a primary of its own, with all that it has had so far. One that is primary already stays so."""
    standby.sql("SELECT pg_promote(true, 60) WHERE pg_is_in_recovery()", timeout=90)
    if standby.sql("SELECT pg_is_in_recovery()") != [["f"]]:
        raise HostError("The standby does not become a primary.", "Look at its console.")
    standby.sql("ALTER SYSTEM RESET primary_conninfo; ALTER SYSTEM RESET primary_slot_name")
    standby.shell(f"rm -f {PASSWORD_FILE}; systemctl reload {SERVER_UNIT}")
    _forget_standbys(standby)


def wait_caught_up(primary: Postgres, standby: Postgres, timeout: float = 60) -> None:
    """Return when the standby has replayed all that the primary has written until now; ``timeout`` is in seconds."""
    ((position,),) = primary.sql("SELECT pg_current_wal_lsn()")
    deadline = time.monotonic() + timeout
    while standby.sql(f"SELECT pg_last_wal_replay_lsn() >= {text(position)}::pg_lsn") != [["t"]]:
        if time.monotonic() > deadline:
            raise HostError(f"The standby does not catch up within {timeout:g} seconds.", "Look at its console.")
        time.sleep(PAUSE)


def _forget_standbys(server: Postgres) -> None:
    """Whoever followed the server that this one was copied from does not follow this one."""
    for (role,) in server.sql("SELECT rolname FROM pg_roles WHERE rolreplication AND NOT rolsuper"):
        dismiss(server, role)
