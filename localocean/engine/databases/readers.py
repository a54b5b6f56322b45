"""The one user who may read metrics, made when somebody first asks for him."""

from __future__ import annotations

from localocean.engine.databases.settings import password
from localocean.store.records import DatabaseReader
from localocean.store.store import Store

USERNAME = "metrics"


def reader(store: Store) -> DatabaseReader:
    with store.transaction():
        found = store.database_readers.first("1")
        return found or store.database_readers.add(DatabaseReader(username=USERNAME, password=password()))
