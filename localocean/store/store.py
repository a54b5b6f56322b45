"""The records in SQLite: one connection, one lock, every change durable before it is answered."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar, get_type_hints

from localocean.host.errors import HostError
from localocean.store.records import (
    Action,
    DatabaseBackup,
    DatabaseCluster,
    DatabaseName,
    DatabaseNode,
    DatabasePool,
    DatabaseReader,
    DatabaseRule,
    DatabaseUser,
    Droplet,
    FloatingIP,
    Image,
    Key,
    Layer,
    Listing,
    Membership,
    Page,
    Project,
    Tag,
    Tagging,
    Vpc,
)


class Record(Protocol):
    """Any of the dataclasses of records.py."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def id(self) -> int: ...


R = TypeVar("R", bound=Record)
SQL_TYPES: dict[Any, str] = {int: "INTEGER", bool: "INTEGER", int | None: "INTEGER"}


class Database:
    """The connection; a transaction holds the lock, so what it reads stays true until it ends."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        # User data can hold secrets; SQLite gives its other files the mode of this one.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self.connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        try:
            self.connection.execute("PRAGMA journal_mode=WAL")
            self.connection.execute("PRAGMA synchronous=NORMAL")
        except sqlite3.DatabaseError as error:
            raise HostError(
                f"The records in {path} cannot be read: {error}.", "Put a copy in its place, or run: localocean reset"
            ) from None
        self._depth = 0

    def execute(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        with self.lock:
            return self.connection.execute(sql, values)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self.lock:
            return self.connection.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; nested ones join the outermost."""
        with self.lock:
            if self._depth == 0:
                self.connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self.connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self.connection.execute("COMMIT")

    def close(self) -> None:
        with self.lock:
            self.connection.close()


def first_id() -> int:
    """Where a new cloud starts to count: seconds since 2020.

    So no id comes back after a reset, when somebody's Terraform state may still name the droplet that once had it.
    """
    return int(time.time()) - 1_577_836_800


class Table(Generic[R]):
    """The records of one type; ids are never used twice. `where` is SQL written by the engine itself."""

    def __init__(self, database: Database, record: type[R], name: str, *indices: str) -> None:
        self.database = database
        self.record = record
        self.name = name
        hints = get_type_hints(record)
        self._names = [f.name for f in fields(record)]
        self._json = {n for n in self._names if getattr(hints[n], "__origin__", None) in (tuple, dict)}
        self._tuples = {n for n in self._json if hints[n].__origin__ is tuple}
        self._bools = {n for n in self._names if hints[n] is bool}
        columns = ", ".join(f"{n} {SQL_TYPES.get(hints[n], 'TEXT')}" for n in self._names if n != "id")
        database.execute(f"CREATE TABLE IF NOT EXISTS {name} (id INTEGER PRIMARY KEY AUTOINCREMENT, {columns})")
        self._add_columns(hints)
        database.execute(
            "INSERT INTO sqlite_sequence (name, seq) SELECT ?, ? WHERE NOT EXISTS"
            " (SELECT 1 FROM sqlite_sequence WHERE name = ?)",
            (name, first_id(), name),
        )
        for index in indices:
            label = f"{name}_{re.sub(r'[^a-z_]+', '_', index.lower())}"
            database.execute(f"CREATE INDEX IF NOT EXISTS {label} ON {name} ({index})")

    def _add_columns(self, hints: dict[str, Any]) -> None:
        """Give the records of an earlier version of the cloud the fields that they lack, with their defaults."""
        there = {row["name"] for row in self.database.rows(f"PRAGMA table_info({self.name})")}
        example = self.record()
        for name in (name for name in self._names if name not in there):
            value = self._encode(name, getattr(example, name))
            default = "NULL" if value is None else self.database.rows("SELECT quote(?)", [value])[0][0]
            kind = SQL_TYPES.get(hints[name], "TEXT")
            self.database.execute(f"ALTER TABLE {self.name} ADD COLUMN {name} {kind} DEFAULT {default}")

    def add(self, record: R) -> R:
        """The record as stored; an id of 0 is replaced by the next free one."""
        names = self._names if record.id else [n for n in self._names if n != "id"]
        values = [self._encode(n, getattr(record, n)) for n in names]
        marks = ", ".join("?" * len(names))
        cursor = self.database.execute(f"INSERT INTO {self.name} ({', '.join(names)}) VALUES ({marks})", values)
        stored = self.get(cursor.lastrowid or 0)
        assert stored is not None
        return stored

    def get(self, identifier: int) -> R | None:
        return self.first("id = ?", identifier)

    def first(self, where: str, *values: Any) -> R | None:
        found = self.database.rows(f"SELECT * FROM {self.name} WHERE {where} ORDER BY id LIMIT 1", values)
        return self._decode(found[0]) if found else None

    def find(self, where: str = "1", *values: Any, newest: bool = False) -> list[R]:
        order = "id DESC" if newest else "id"
        rows = self.database.rows(f"SELECT * FROM {self.name} WHERE {where} ORDER BY {order}", values)
        return [self._decode(row) for row in rows]

    def page(self, page: Page, where: str = "1", *values: Any, newest: bool = False) -> Listing[R]:
        order = "id DESC" if newest else "id"
        sql = f"SELECT * FROM {self.name} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"
        rows = self.database.rows(sql, [*values, page.size, page.offset])
        return Listing([self._decode(row) for row in rows], self.count(where, *values))

    def count(self, where: str = "1", *values: Any) -> int:
        return int(self.database.rows(f"SELECT COUNT(*) FROM {self.name} WHERE {where}", values)[0][0])

    def update(self, identifier: int, **changes: Any) -> None:
        assignments = ", ".join(f"{name} = ?" for name in changes)
        values = [self._encode(name, value) for name, value in changes.items()]
        self.database.execute(f"UPDATE {self.name} SET {assignments} WHERE id = ?", [*values, identifier])

    def delete(self, where: str, *values: Any) -> None:
        self.database.execute(f"DELETE FROM {self.name} WHERE {where}", values)

    def _encode(self, name: str, value: Any) -> Any:
        return json.dumps(value) if name in self._json else value

    def _decode(self, row: sqlite3.Row) -> R:
        return self.record(**{name: self._value(name, row[name]) for name in self._names})

    def _value(self, name: str, value: Any) -> Any:
        if name in self._tuples:
            return tuple(json.loads(value))
        if name in self._json:
            return json.loads(value)
        return bool(value) if name in self._bools else value


class Store:
    """Every table of the cloud."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self.droplets = Table(self.database, Droplet, "droplets", "name")
        self.images = Table(self.database, Image, "images", "slug", "droplet_id", "name")
        self.actions = Table(self.database, Action, "actions", "resource_type, resource_id", "status")
        self.keys = Table(self.database, Key, "keys", "fingerprint")
        self.floating_ips = Table(self.database, FloatingIP, "floating_ips", "address", "droplet_id")
        self.tags = Table(self.database, Tag, "tags", "name COLLATE NOCASE")
        self.taggings = Table(self.database, Tagging, "taggings", "tag_id, resource_type", "resource_type, resource_id")
        self.layers = Table(self.database, Layer, "layers", "name")
        self.vpcs = Table(self.database, Vpc, "vpcs", "uuid")
        self.projects = Table(self.database, Project, "projects", "uuid")
        self.memberships = Table(self.database, Membership, "memberships", "urn", "project")
        self.database_clusters = Table(self.database, DatabaseCluster, "database_clusters", "uuid")
        self.database_nodes = Table(self.database, DatabaseNode, "database_nodes", "cluster")
        self.database_users = Table(self.database, DatabaseUser, "database_users", "cluster")
        self.database_names = Table(self.database, DatabaseName, "database_names", "cluster")
        self.database_rules = Table(self.database, DatabaseRule, "database_rules", "cluster")
        self.database_readers = Table(self.database, DatabaseReader, "database_readers")
        self.database_pools = Table(self.database, DatabasePool, "database_pools", "cluster")
        self.database_backups = Table(self.database, DatabaseBackup, "database_backups", "cluster_uuid", "cluster_name")
        self.transaction = self.database.transaction

    def clear(self) -> None:
        """Forget everything; ids go on counting, so that no client mistakes a new thing for an old one."""
        with self.transaction():
            for table in self.tables():
                table.delete("1")

    def tables(self) -> list[Table[Any]]:
        return [table for table in vars(self).values() if isinstance(table, Table)]

    def close(self) -> None:
        self.database.close()
