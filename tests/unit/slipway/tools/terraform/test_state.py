"""A state that was cut short, or could not be written, is there again as it was last known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slipway.tools.terraform import state


def written(path: Path, serial: int) -> str:
    text = json.dumps({"serial": serial, "lineage": "l", "encrypted_data": "abc"})
    path.write_text(text)
    return text


def test_a_whole_state_stays(tmp_path: Path) -> None:
    text = written(tmp_path / state.STATE, 7)
    state.keep(tmp_path)
    written(tmp_path / state.KEPT, 9)
    state.rescue(tmp_path, pytest.fail)
    assert (tmp_path / state.STATE).read_text() == text


@pytest.mark.parametrize("left", ["", '{"serial": 8, "line'])
def test_one_cut_short_is_taken_from_the_copy_made_before(tmp_path: Path, left: str) -> None:
    text = written(tmp_path / state.STATE, 7)
    state.keep(tmp_path)
    assert (tmp_path / state.KEPT).stat().st_mode & 0o777 == 0o600
    (tmp_path / state.STATE).write_text(left)
    said: list[str] = []
    state.rescue(tmp_path, said.append)
    assert (tmp_path / state.STATE).read_text() == text and "cut short" in said[0]


def test_the_newest_of_the_copies_counts(tmp_path: Path) -> None:
    (tmp_path / state.STATE).write_text("{")
    written(tmp_path / state.KEPT, 3)
    text = written(tmp_path / "terraform.tfstate.backup", 5)
    state.rescue(tmp_path, lambda said: None)
    assert (tmp_path / state.STATE).read_text() == text


def test_what_could_not_be_written_in_its_place_is_put_there(tmp_path: Path) -> None:
    written(tmp_path / state.STATE, 7)
    text = written(tmp_path / state.ERRORED, 8)
    state.rescue(tmp_path, lambda said: None)
    assert (tmp_path / state.STATE).read_text() == text and not (tmp_path / state.ERRORED).exists()


def test_without_a_copy_nothing_is_invented(tmp_path: Path) -> None:
    (tmp_path / state.STATE).write_text("{")
    state.rescue(tmp_path, pytest.fail)
    assert (tmp_path / state.STATE).read_text() == "{"
    (tmp_path / state.STATE).unlink()
    state.rescue(tmp_path, pytest.fail)
    assert not (tmp_path / state.STATE).exists()


def test_an_empty_file_without_a_copy_is_no_state(tmp_path: Path) -> None:
    (tmp_path / state.STATE).touch()
    state.rescue(tmp_path, pytest.fail)
    assert not (tmp_path / state.STATE).exists()


def test_one_cut_short_in_its_first_apply_is_set_aside(tmp_path: Path) -> None:
    state.order(tmp_path, ["198.18.8.1"])
    (tmp_path / state.STATE).write_text('{"serial": 1, "line')
    said: list[str] = []
    state.rescue(tmp_path, said.append)
    assert not (tmp_path / state.STATE).exists() and state.TORN in said[0]
    assert (tmp_path / state.TORN).read_text() == '{"serial": 1, "line'
    assert state.ordered(tmp_path) == ["198.18.8.1"]


def test_a_torn_state_is_never_kept(tmp_path: Path) -> None:
    text = written(tmp_path / state.KEPT, 7)
    (tmp_path / state.STATE).write_text("{")
    state.keep(tmp_path)
    assert (tmp_path / state.KEPT).read_text() == text


def test_what_was_set_aside_and_has_no_successor_is_taken_back() -> None:
    def instance(key: object, id: str, **more: str) -> dict[str, object]:
        return {"index_key": key, "attributes": {"id": id}, **more}

    alone, first, second = (instance(0, id, deposed=f"{id}{id}") for id in "abc")
    other = instance(1, "d", deposed="dd")
    standing = instance(0, "e")
    found = [
        {"name": "assignment", "instances": [alone, other]},
        {"name": "replaced", "instances": [first, standing, second]},
        {"name": "single", "instances": [{"attributes": {"id": "f"}, "deposed": "ff"}]},
    ]
    taken = state.take_back({"serial": 3, "resources": found})
    assert taken["serial"] == 3
    assert [each["instances"] for each in taken["resources"]] == [
        [instance(0, "a"), instance(1, "d")],
        [first, standing, second],
        [{"attributes": {"id": "f"}}],
    ]
    assert state.take_back({"serial": 3}) == {"serial": 3, "resources": []}
