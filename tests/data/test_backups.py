"""Backups through the live droplet, and drills: what was dumped comes back row by row, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from slipway.database import backup, drill
from slipway.database.backup import Backup
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.tools import postgres
from slipway.tools.digitalocean import Cluster
from slipway.tools.postgres import Database
from tests.support import until

TABLES = """
CREATE TABLE notes (id bigserial PRIMARY KEY, text text NOT NULL, price numeric, made timestamptz DEFAULT now());
INSERT INTO notes (text, price) SELECT 'note ' || n, n / 7.0 FROM generate_series(1, 5000) n;
DELETE FROM notes WHERE id % 10 = 0;
CREATE TABLE nothing ();
CREATE ROLE app_rw;
GRANT SELECT ON notes TO app_rw;
"""
CALL = """
import os, sys
from pathlib import Path
from slipway.database import drill
from slipway.environment.session import Session
drill.verify(Session(Path(sys.argv[1]), dict(os.environ), "local"))
"""


@pytest.fixture(scope="module")
def made(session: Session, database: Database) -> Backup:
    with postgres.connect(database) as connection:
        connection.execute(TABLES)
    return backup.backup(session)[0]


def drills(session: Session) -> list[str]:
    """The names of the clusters of drills."""
    return [each.name for each in session.api.clusters() if "-drill-" in each.name]


def test_a_backup_is_its_owner_s_alone_and_says_what_is_in_it(session: Session, made: Backup) -> None:
    folder = backup.folder_of(session, None)
    assert {
        path.name: path.stat().st_mode & 0o777 for path in folder.iterdir() if path.suffix in (".dump", ".json")
    } == {
        made.dump: 0o600,
        made.dump.replace(".dump", ".json"): 0o600,
    }
    assert {name: count for name, (count, _) in made.tables.items()} == {"public.notes": 4500, "public.nothing": 0}
    assert (made.sequences, made.release) == ({"public.notes_id_seq": 5000}, "v1-01234567")


def test_a_drill_restores_every_row_and_removes_its_cluster(session: Session, made: Backup) -> None:
    held = drill.verify(session, max_age="1h")
    assert (held.problems, held.rows, held.backup) == ([], 4500, made.dump)
    assert drills(session) == []


def test_a_drill_whose_database_differs_says_so_and_an_old_backup_too(session: Session, made: Backup) -> None:
    wrong = replace(made, tables={**made.tables, "public.notes": (4500, "1"), "public.lost": (1, "1")})
    description = (backup.folder_of(session, None) / made.dump).with_suffix(".json")
    description.write_text(json.dumps(asdict(wrong)))
    held = drill.verify(session, max_age="1s")
    description.write_text(json.dumps(asdict(made)))
    lost, other, old = held.problems
    assert (lost, other) == ("table public.lost is missing", "table public.notes has other contents")
    assert old.startswith("the newest backup is ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_drill_that_is_ended_leaves_nothing_for_long(
    session: Session, project: Path, made: Backup, number: signal.Signals
) -> None:
    process = subprocess.Popen([sys.executable, "-c", CALL, str(project)], env=os.environ, stderr=subprocess.PIPE)
    until(lambda: drills(session))
    process.send_signal(number)
    process.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert drills(session)
        drill.verify(session)
    assert drills(session) == []


def test_a_backup_takes_the_place_of_everything_or_of_nothing(
    session: Session, database: Database, made: Backup, tmp_path: Path
) -> None:
    client = postgres.Client.of(15, lambda line: None)
    with postgres.connect(database) as connection:
        connection.execute("CREATE TABLE later (id int); INSERT INTO later VALUES (1); DELETE FROM notes")
    changed = postgres.contents(database)
    cut = tmp_path / "cut.dump"
    dump = (backup.folder_of(session, None) / made.dump).read_bytes()
    cut.write_bytes(dump[: len(dump) // 2])
    with pytest.raises(PipelineError, match="pg_restore failed"):
        client.replace(database, cut)
    assert postgres.contents(database) == changed
    client.replace(database, backup.folder_of(session, None) / made.dump)
    assert drill.differences(made, postgres.contents(database)) == []


def test_of_the_older_backups_as_many_stay_as_were_asked_for(session: Session, made: Backup) -> None:
    time.sleep(1)  # names have seconds
    second, _ = backup.backup(session)
    time.sleep(1)
    third, _ = backup.backup(session, keep=2)
    folder = backup.folder_of(session, None)
    assert [each.dump for each in backup.known(folder, session.settings.names)] == [second.dump, third.dump]
    assert not (folder / made.dump).exists()


def test_a_backup_that_fails_leaves_what_there_was(
    session: Session, cluster: Cluster, made: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = backup.folder_of(session, None)
    before = sorted(path.name for path in folder.iterdir())
    with monkeypatch.context() as patch, pytest.raises(PipelineError, match="cannot be used"):
        patch.setattr(type(session.api), "cluster", lambda api, name, tag: replace(cluster, password="wrong"))
        backup.backup(session)
    assert sorted(path.name for path in folder.iterdir()) == before
