"""PostgreSQL: pg_dump and pg_restore for what is in a database, psycopg for what should be in it."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.clock import SYSTEM, Clock
from slipway.errors import PipelineError
from slipway.retries import Again, retrying
from slipway.tools.programs import host
from slipway.tools.programs.process import call

if TYPE_CHECKING:
    import psycopg

_VERSIONS = Path("/usr/lib/postgresql")
_CUT = ("unexpected eof", "closed the connection unexpectedly", "reset by peer")
"""libpq's words for a connection that ended before the server had said yes or no."""
_CUT_WITHIN_S = 5
# Rows are compared as texts, so that both sides have to write them alike.
_ALIKE = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 3"
_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1, 2
"""
_SEQUENCES = "SELECT schemaname || '.' || sequencename, coalesce(last_value, 0) FROM pg_sequences ORDER BY 1"
# The sum of a digest of each row: the same whatever the order, and without sorting.
_CONTENTS = """
SELECT count(*), coalesce(sum(('x' || left(md5(t::text), 16))::bit(64)::bigint::numeric), 0)::text FROM {table} t
"""

_EMPTY = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
    EXECUTE format('DROP SCHEMA %I CASCADE', name);
  END LOOP;
END $$;
CREATE SCHEMA public;
GRANT USAGE ON SCHEMA public TO PUBLIC;
SET client_min_messages = warning
"""


@dataclass(frozen=True)
class Database:
    """A database, reached at ``port`` of this machine's loopback; ``name`` is what its certificate must say."""

    name: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    ca: Path

    @property
    def environment(self) -> dict[str, str]:
        """The same for libpq's programs: nothing of it is on a command line."""
        return {
            "PGHOST": self.name,
            "PGHOSTADDR": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": self.database,
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(self.ca),
            "PGCONNECT_TIMEOUT": "15",
        }


@dataclass(frozen=True)
class Contents:
    """What is in a database: by table the number of its rows and their checksum, by sequence its last value."""

    tables: Mapping[str, tuple[int, str]]
    sequences: Mapping[str, int]


@dataclass(frozen=True)
class Snapshot:
    """One moment of a database, that a dump can be taken of."""

    id: str
    contents: Contents


@contextmanager
def connect(database: Database, clock: Clock = SYSTEM) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose certificate was checked; one that is cut off while it is made is made again for a while.

    Raises PipelineError for whatever PostgreSQL refuses.
    """
    import psycopg

    try:
        with _opened(database, clock) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise PipelineError(
            f"The database {database.database} at {database.name} cannot be used.", _words(error)
        ) from error
    except psycopg.Error as error:
        raise PipelineError(f"PostgreSQL at {database.name} refused.", _words(error)) from error


def _opened(database: Database, clock: Clock) -> psycopg.Connection[Any]:
    import psycopg

    def attempt() -> psycopg.Connection[Any]:
        try:
            return psycopg.connect(
                host=database.name,
                hostaddr="127.0.0.1",
                port=database.port,
                user=database.user,
                password=database.password,
                dbname=database.database,
                sslmode="verify-full",
                sslrootcert=str(database.ca),
                connect_timeout=15,
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            if any(words in str(error) for words in _CUT):
                raise Again(_words(error)) from error
            raise

    try:
        return retrying(clock, _CUT_WITHIN_S)(attempt)
    except Again as again:
        raise psycopg.OperationalError(str(again)) from again


@contextmanager
def snapshot(database: Database) -> Iterator[Snapshot]:
    """Hold one moment of the database for as long as the context is open, and count what is in it."""
    with connect(database) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        yield Snapshot(row[0], _contents(connection))


def contents(database: Database) -> Contents:
    """What is in the database now."""
    with connect(database) as connection:
        return _contents(connection)


def _contents(connection: psycopg.Connection[Any]) -> Contents:
    from psycopg import sql

    connection.execute(_ALIKE)
    tables = {}
    for schema, table in connection.execute(_TABLES).fetchall():
        query = sql.SQL(_CONTENTS).format(table=sql.Identifier(schema, table))
        counted = connection.execute(query).fetchone()
        assert counted is not None
        tables[f"{schema}.{table}"] = (int(counted[0]), str(counted[1]))
    return Contents(tables, {name: int(value) for name, value in connection.execute(_SEQUENCES).fetchall()})


class Client:
    """pg_dump and pg_restore of one version."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of(cls, version: int, progress: Callable[[str], None]) -> Client:
        """The oldest client that knows a server of this version; Debian's is installed where there is none.

        Raises PipelineError when all that there are, are older than the server.
        """
        if not _clients():
            host.ensure_packages(["postgresql-client"], progress)
        known = _clients()
        fitting = [number for number in sorted(known) if number >= version]
        if not fitting:
            raise PipelineError(
                f"The server is PostgreSQL {version}, and pg_dump here is {max(known, default=0)}.",
                f"Install postgresql-client-{version}: https://wiki.postgresql.org/wiki/Apt has it for Debian, Ubuntu.",
            )
        return cls(known[fitting[0]])

    def dump(self, database: Database, snapshot: str, target: Path) -> None:
        """Write what the snapshot holds, in pg_dump's custom format, into a file that is there already."""
        self._run(database, "pg_dump", "--format=custom", f"--snapshot={snapshot}", f"--file={target}")

    def restore(self, database: Database, source: Path) -> None:
        """Put all of a dump into an empty database, or nothing; owners and rights are left to who migrates it."""
        options = ("--single-transaction", "--no-owner", "--no-privileges", f"--dbname={database.database}")
        self._run(database, "pg_restore", *options, str(source))

    def replace(self, database: Database, source: Path) -> None:
        """Put all of a dump in the place of what is in the database, or change nothing."""
        # The script is whole before any of it is run: a dump that breaks off must not be committed.
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=source.parent) as folder:
            script = Path(folder) / "script.sql"
            self._run(database, "pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(source))
            options = ("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1")
            self._run(database, "psql", *options, f"--command={_EMPTY}", f"--file={script}")

    def _run(self, database: Database, program: str, *arguments: str) -> None:
        argv = [str(self._folder / program), "--no-password", *arguments]
        result = call(argv, cwd=Path("/"), env=database.environment)
        if result.returncode != 0:
            raise PipelineError(
                f"{program} failed with exit status {result.returncode}.", result.stderr.strip()[-1500:]
            )


def _clients() -> dict[int, Path]:
    """The folders of the clients that are installed, by version; Debian keeps several side by side."""
    found = {int(path.parts[-3]): path.parent for path in _VERSIONS.glob("*/bin/pg_dump") if path.parts[-3].isdigit()}
    on_path = shutil.which("pg_dump")
    if not found and on_path:
        number = re.search(r"(\d+)", call([on_path, "--version"], cwd=Path("/")).stdout)
        return {int(number.group(1)): Path(on_path).parent} if number else {}
    return found


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:500]
