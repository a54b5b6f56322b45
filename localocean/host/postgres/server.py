"""A running database server, entered from the host as PostgreSQL's superuser.

A session that is open when the cloud's server is killed goes on in the machine, and the next server begins again with
what it was about; two that do the same would fail. So each session waits until those before it are over.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from localocean.host import cgroups, enter
from localocean.host.errors import HostError
from localocean.host.postgres.layout import ADMIN, PORT, PROGRAMS, SERVER_UNIT, SOCKETS
from localocean.host.postgres.scram import verifier

PAUSE = 0.05
UNTIL = f'until "$@" >/dev/null 2>&1; do sleep {PAUSE}; done'
SYSTEM = ("postgres", "template0", "template1")
PSQL = (
    *(f"{PROGRAMS}/psql", "--no-psqlrc", "--quiet", "--csv", "--tuples-only"),
    *("--set=ON_ERROR_STOP=1", "--set=VERBOSITY=terse", f"--host={SOCKETS}", f"--port={PORT}", "--username=postgres"),
)
AS_POSTGRES = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--reset-env")
TURN = "SELECT pg_advisory_lock(7814432155426513252) \\g /dev/null\n"
"""Wait for the sessions before; the number is one that nobody else thinks of, and the lock goes with the session."""


class Postgres:
    """The server in the machine ``unit``. What makes something can be repeated; all raise ``HostError``."""

    def __init__(self, unit: str) -> None:
        self.unit = unit

    def wait_ready(self, timeout: float = 60) -> None:
        """Return as soon as it answers; ``timeout`` is in seconds."""
        deadline = time.monotonic() + timeout
        words = ["sh", "-c", UNTIL, "sh", *AS_POSTGRES, *PSQL, "--dbname=postgres", "--command=SELECT 1"]
        while True:
            try:
                enter.run(self.unit, words, timeout=max(deadline - time.monotonic(), PAUSE))
                return
            except HostError as error:  # one that begins to boot has no manager yet that could be asked
                if cgroups.init(self.unit) is None:
                    raise HostError("The machine of the database has ended.", "See its console.") from None
                if time.monotonic() > deadline:
                    raise HostError(f"PostgreSQL does not answer within {timeout:g} seconds: {error.message}") from None
            time.sleep(PAUSE)

    def sql(self, statement: str, database: str = "postgres", timeout: float = 60) -> list[list[str]]:
        """Run statements, each by itself, in their turn, and return the rows of all; NULL is an empty text."""
        words = [*AS_POSTGRES, *PSQL, f"--dbname={database}"]
        try:
            said = enter.run(self.unit, words, input=f"{TURN}{statement};\n", timeout=timeout)
        except HostError as error:
            _, found, reason = error.message.partition("ERROR:  ")
            raise HostError(f"PostgreSQL refuses: {reason}." if found else error.message, error.hint) from None
        return list(csv.reader(StringIO(said)))

    def restart_if_pending(self) -> None:
        """Start the server anew if its files say what it cannot take up while it runs; connections end."""
        if self.sql("SELECT 1 FROM pg_file_settings WHERE error = 'setting could not be applied'"):
            self.shell(f"systemctl restart {SERVER_UNIT}")
            self.wait_ready()

    def user_names(self) -> list[str]:
        """Whoever can log in, save the superuser and standbys."""
        return _first(
            self.sql(
                "SELECT rolname FROM pg_roles WHERE rolcanlogin AND NOT rolsuper AND NOT rolreplication ORDER BY 1"
            )
        )

    def database_names(self) -> list[str]:
        """The databases, save PostgreSQL's own."""
        return [name for name in _first(self.sql("SELECT datname FROM pg_database ORDER BY 1")) if name not in SYSTEM]

    def create_user(self, name: str, password: str) -> None:
        """Have a user who may connect and owns nothing; one who is there gets the password."""
        self.sql(
            f"SELECT format('CREATE ROLE %I LOGIN', {text(name)})"
            f" WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = {text(name)}) \\gexec\n"
            + _password(name, password)
        )

    def set_password(self, name: str, password: str) -> None:
        """Give a user another password; connections that are open stay open."""
        self.sql(_password(name, password))

    def drop_user(self, name: str) -> None:
        """Remove a user, whose objects then belong to the administrator; open connections end."""
        if not self.sql(f"SELECT 1 FROM pg_roles WHERE rolname = {text(name)}"):
            return
        self.sql(f"ALTER ROLE {quoted(name)} NOLOGIN; {_end(f'usename = {text(name)}')}")
        for database in ("postgres", *self.database_names()):
            self.sql(f"REASSIGN OWNED BY {quoted(name)} TO {ADMIN}; DROP OWNED BY {quoted(name)}", database)
        self.sql(f"DROP ROLE {quoted(name)}")

    def create_database(self, name: str) -> None:
        """Have a database, owned by the administrator."""
        if name not in self.database_names():
            self.sql(f"CREATE DATABASE {quoted(name)} OWNER {ADMIN}")

    def drop_database(self, name: str) -> None:
        """Remove a database with all that is in it; open connections end."""
        self.sql(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")

    def shell(self, script: str, *arguments: str, input: str | None = None, timeout: float = 60) -> str:
        """Run a script of the shell in the machine as its root."""
        return enter.run(self.unit, ["sh", "-euc", script, "sh", *arguments], input=input, timeout=timeout)

    def run_to_file(
        self, words: Sequence[str], *, source: Path | None = None, target: Path | None = None, timeout: float
    ) -> None:
        """Run a command in the machine as PostgreSQL's user, from or into a file of the host."""
        enter.run_to_file(self.unit, [*AS_POSTGRES, *words], source=source, target=target, timeout=timeout)


def quoted(name: str) -> str:
    """A name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A value as a literal of SQL, whatever ``standard_conforming_strings`` says."""
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _password(name: str, password: str) -> str:
    return f"ALTER ROLE {quoted(name)} LOGIN PASSWORD {text(verifier(password))}"


def _end(which: str) -> str:
    return f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {which}"


def _first(rows: list[list[str]]) -> list[str]:
    return [row[0] for row in rows if row]
