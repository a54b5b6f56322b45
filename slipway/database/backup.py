"""Backups of the database: one moment dumped, counted and described."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from slipway.data import Count, Matching, Table, Time, read_json
from slipway.database import bridge
from slipway.database import cluster as database
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.names import Names
from slipway.runs.checkout_lock import only_one
from slipway.tools import postgres
from slipway.tools.digitalocean import Cluster

FORMAT: Literal[1] = 1


@dataclass(frozen=True)
class Backup(Table):
    """A dump, and what was in the database at its moment: ``tables`` has rows and checksum by table.

    ``taken_at`` is RFC 3339 in UTC, ``size`` in bytes, ``version`` the server's. An older backup names no ``project``.
    """

    environment: str
    cluster: str
    version: Annotated[int, Field(ge=1, le=99)]
    release: str
    taken_at: Time
    dump: Annotated[str, Matching(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.dump", "the name of a dump in the same folder")]
    size: Count
    sha256: Annotated[str, Matching("[0-9a-f]{64}", "64 digits in lower case")]
    tables: Mapping[str, tuple[Count, str]]
    sequences: Mapping[str, int]
    project: str = ""
    format: Literal[1] = FORMAT

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(count for count, _ in self.tables.values())

    @classmethod
    def load(cls, path: Path) -> Backup:
        """Raises ValueError for what is not the description of a backup."""
        try:
            return read_json(path.read_bytes(), cls)
        except OSError as error:
            raise ValueError(f"it cannot be read: {error.strerror}") from error


def folder_of(session: Session, to: str | None) -> Path:
    """Where an environment's backups are."""
    return Path(to).absolute() if to else session.settings.work / "backups"


def backup(session: Session, *, to: str | None = None, keep: int | None = None) -> tuple[Backup, Path]:
    """Dump one moment of the database and describe it; of the older ones `keep` less one stay, by default all.

    Returns the description and the dump's path. Raises PipelineError when the database cannot be reached or dumped;
    what there was before is there then, and nothing half-written.
    """
    if keep is not None and keep < 1:
        raise PipelineError(f"--keep {keep} would keep nothing.", "--keep 7")
    folder = folder_of(session, to)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with only_one(folder, "backup"):
        for left_behind in folder.glob("*.partial"):
            left_behind.unlink()
        cluster = bridge.cluster(session)
        client = postgres.Client.of(bridge.version(cluster), session.progress.detail)
        with session.progress.step(f"back up {cluster.name}"), bridge.through_live(session) as way:
            made = _dump(session, cluster, client, way, folder)
        for old in _own(folder, session.settings.names)[: -keep or None] if keep else []:
            (folder / old.dump).unlink(missing_ok=True)
            _description(folder, old).unlink()
    return made, folder / made.dump


def _dump(session: Session, cluster: Cluster, client: postgres.Client, way: bridge.Bridge, folder: Path) -> Backup:
    now = datetime.now(UTC)
    name = f"{session.settings.names.prefix}-{now:%Y%m%dT%H%M%SZ}.dump"
    partial = _private(folder / f"{name}.partial")
    try:
        with way.reach(session.api, cluster, database.DATABASE) as reached, postgres.snapshot(reached) as moment:
            session.progress.detail(f"{len(moment.contents.tables)} tables counted")
            client.dump(reached, moment.id, partial)
        made = Backup(
            project=session.settings.project.name,
            environment=session.settings.environment,
            cluster=cluster.name,
            version=bridge.version(cluster),
            release=way.release,
            taken_at=f"{now:%Y-%m-%dT%H:%M:%SZ}",
            dump=name,
            size=partial.stat().st_size,
            sha256=_sha256(partial),
            tables=moment.contents.tables,
            sequences=moment.contents.sequences,
        )
        partial.replace(folder / name)
    finally:
        partial.unlink(missing_ok=True)
    # Last, so that a description always has its dump.
    description = _private(_description(folder, made).with_suffix(".partial"))
    description.write_text(json.dumps(asdict(made), indent=2) + "\n")
    description.replace(_description(folder, made))
    return made


def known(folder: Path, names: Names, warn: Callable[[str], None] = lambda text: None) -> list[Backup]:
    """The backups of an environment in a folder, the oldest first; ``warn`` is told of what is no description.

    Those of before, which name no project, come first, because others may have made them in a shared folder.
    """
    before = [each for each in _all(folder, warn) if (each.project, each.environment) == ("", names.environment)]
    return [*before, *_own(folder, names)]


def _own(folder: Path, names: Names) -> list[Backup]:
    return [each for each in _all(folder) if (each.project, each.environment) == (names.project, names.environment)]


def _all(folder: Path, warn: Callable[[str], None] = lambda text: None) -> list[Backup]:
    found = []
    for path in folder.glob("*.json"):
        try:
            found.append(Backup.load(path))
        except ValueError as error:
            warn(f"{path.name} is left out of the backups: {error}")
    return sorted(found, key=lambda each: each.taken_at)


def intact(folder: Path, backup: Backup) -> Path:
    """The dump of a backup; raises PipelineError when it is not what was written."""
    dump = folder / backup.dump
    if not dump.exists() or _sha256(dump) != backup.sha256:
        raise PipelineError(f"{dump} is not what was written there.", "./invoke backup makes another.")
    return dump


def _description(folder: Path, backup: Backup) -> Path:
    return (folder / backup.dump).with_suffix(".json")


def _private(path: Path) -> Path:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
