"""Backups of the database: one moment dumped, counted and described."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline import bridge, database
from pipeline.errors import PipelineError
from pipeline.lock import only_one
from pipeline.names import Names
from pipeline.session import Session
from pipeline.tools import postgres
from pipeline.tools.digitalocean import Cluster

FORMAT = 1


@dataclass(frozen=True)
class Backup:
    """A dump, and what was in the database at its moment: ``tables`` has rows and checksum by table.

    ``taken_at`` is RFC 3339 in UTC, ``size`` in bytes, ``version`` the server's. An older backup names no ``project``.
    """

    environment: str
    cluster: str
    version: int
    release: str
    taken_at: str
    dump: str
    size: int
    sha256: str
    tables: Mapping[str, tuple[int, str]]
    sequences: Mapping[str, int]
    project: str = ""
    format: int = FORMAT

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(count for count, _ in self.tables.values())

    @classmethod
    def load(cls, path: Path) -> Backup:
        """Raises ValueError for what is not the description of a backup."""
        try:
            data = json.loads(path.read_text())
            if data["format"] != FORMAT:
                raise ValueError(f"its format is {data['format']}")
            data["tables"] = {name: (int(count), str(checksum)) for name, (count, checksum) in data["tables"].items()}
            return cls(**data)
        except (OSError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it does not describe a backup: {error}") from error


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


def known(folder: Path, names: Names) -> list[Backup]:
    """The backups of an environment in a folder, the oldest first; what is no description is passed over.

    Those of before, which name no project, come first, because others may have made them in a shared folder.
    """
    before = [each for each in _all(folder) if (each.project, each.environment) == ("", names.environment)]
    return [*before, *_own(folder, names)]


def _own(folder: Path, names: Names) -> list[Backup]:
    return [each for each in _all(folder) if (each.project, each.environment) == (names.project, names.environment)]


def _all(folder: Path) -> list[Backup]:
    found = []
    for path in folder.glob("*.json"):
        try:
            found.append(Backup.load(path))
        except ValueError:
            continue
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
