"""Backups as files, and what a drill says of them; that they restore is shown on a real cluster."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from slipway.database.backup import Backup, intact, known
from slipway.database.drill import differences
from slipway.database.restore import choose
from slipway.durations import age, spell
from slipway.errors import PipelineError
from slipway.names import Names
from slipway.tools.postgres import Contents
from slipway.tools.programs.children import ended_by_signals

BACKUP = Backup(
    project="shop",
    environment="local",
    cluster="shop-local",
    version=15,
    release="v1-01234567",
    taken_at="2026-11-21T10:00:00Z",
    dump="local-20261121T100000Z.dump",
    size=4,
    sha256=hashlib.sha256(b"dump").hexdigest(),
    tables={"public.notes": (3, "123"), "public.kinds": (2, "45")},
    sequences={"public.notes_id_seq": 3},
)


def stored(folder: Path, backup: Backup) -> Path:
    path = (folder / backup.dump).with_suffix(".json")
    path.write_text(json.dumps(asdict(backup)))
    return path


def test_a_backup_comes_back_from_its_description(tmp_path: Path) -> None:
    assert Backup.load(stored(tmp_path, BACKUP)) == BACKUP
    assert BACKUP.rows == 5


def test_the_backups_of_an_environment_are_known_the_oldest_first(tmp_path: Path) -> None:
    newer = replace(BACKUP, taken_at="2026-11-22T10:00:00Z", dump="local-20261122T100000Z.dump")
    other = replace(BACKUP, environment="local-two", dump="local-two-20261121T100000Z.dump")
    for each in (newer, BACKUP, other):
        stored(tmp_path, each)
    (tmp_path / "local-notes.json").write_text("[]")
    stored(tmp_path, replace(BACKUP, format=99, dump="local-from-later.dump"))  # type: ignore[arg-type]
    stored(tmp_path, replace(BACKUP, project="other", dump="other-local-20261121T100000Z.dump"))
    names = Names("shop", "local")
    assert known(tmp_path, names) == [BACKUP, newer]
    before = replace(newer, project="", dump="local-20261123T100000Z.dump", taken_at="2026-11-23T10:00:00Z")
    stored(tmp_path, before)
    assert known(tmp_path, names) == [before, BACKUP, newer] and choose(known(tmp_path, names), None, "") == newer


@pytest.mark.parametrize("content", [None, b"dumb"])
def test_a_dump_that_was_changed_or_lost_is_refused(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / BACKUP.dump).write_bytes(b"dump")
    assert intact(tmp_path, BACKUP).name == BACKUP.dump
    (tmp_path / BACKUP.dump).unlink()
    if content:
        (tmp_path / BACKUP.dump).write_bytes(content)
    with pytest.raises(PipelineError, match="is not what was written there"):
        intact(tmp_path, BACKUP)


def test_a_drill_says_what_came_back_otherwise() -> None:
    same = Contents(dict(BACKUP.tables), dict(BACKUP.sequences))
    assert differences(BACKUP, same) == []
    other = Contents(
        {"public.notes": (2, "99"), "public.kinds": (2, "46"), "public.extra": (0, "0")}, {"public.notes_id_seq": 1}
    )
    assert differences(BACKUP, other) == [
        "table public.extra is not in the backup",
        "table public.kinds has other contents",
        "table public.notes has 2 rows instead of 3",
        "the sequences stand elsewhere",
    ]
    assert differences(BACKUP, Contents({"public.notes": (3, "123")}, BACKUP.sequences)) == [
        "table public.kinds is missing"
    ]


def test_ages_are_read_and_said() -> None:
    assert [age(text) for text in ("90s", "26h", "2d")] == [90, 26 * 3600, 2 * 86400]
    assert [spell(seconds) for seconds in (5, 119, 3600 * 5, 86400 * 3)] == ["5 s", "119 s", "5 h", "3 d"]
    with pytest.raises(PipelineError, match="'soon' is not an age"):
        age("soon")


def test_a_scheduler_s_sigterm_ends_a_drill_as_ctrl_c_does() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), ended_by_signals():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_newest_backup_is_restored_unless_one_is_named() -> None:
    newer = replace(BACKUP, dump="local-20261122T100000Z.dump")
    assert choose([BACKUP, newer], None, "there") == newer
    assert choose([BACKUP, newer], BACKUP.dump, "there") == BACKUP
    with pytest.raises(PipelineError, match="There is no backup other in there"):
        choose([BACKUP, newer], "other", "there")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"taken_at": "yesterday"}, 'taken_at is "yesterday"; it should be a time'),
        ({"dump": "../../etc/passwd.dump"}, 'dump is "../../etc/passwd.dump"; it should be the name of a dump'),
        ({"dump": "/etc/passwd"}, 'dump is "/etc/passwd"; it should be the name of a dump'),
        ({"tables": {"public.notes": [3]}}, "tables.public.notes.1 is missing"),
        ({"tables": [1]}, "tables is [1]; it should be a"),
        ({"size": -1}, "size is -1; it should be greater than or equal to 0"),
        ({"sequences": {"s": "3"}}, 'sequences.s is "3"; it should be a whole number'),
        ({"beside": 1}, "beside is unknown"),
    ],
)
def test_a_description_that_is_none_is_left_out_and_named(tmp_path: Path, change: dict[str, object], says: str) -> None:
    stored(tmp_path, BACKUP)
    (tmp_path / "other.json").write_text(json.dumps({**asdict(BACKUP), **change}))
    said: list[str] = []
    assert known(tmp_path, Names("shop", "local"), said.append) == [BACKUP]
    assert all(each.startswith("other.json is left out") and says in each for each in said) and said
