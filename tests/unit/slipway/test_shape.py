"""Data of others: what it has to look like, and everything that is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slipway import shape
from slipway.durations import moment
from slipway.environment.reference import Reference
from slipway.errors import PipelineError
from slipway.names import parse_lock
from slipway.tools.terraform import state
from slipway.tools.terraform.engine import OUTPUTS
from slipway.verification.verify import candidate


def problems(check: shape.Check, value: object) -> list[tuple[str, str]]:
    with pytest.raises(shape.Malformed) as error:
        check(value)
    return list(error.value.problems)


def test_everything_that_is_wrong_is_told_with_its_place() -> None:
    check = shape.table({"a": shape.list_of(shape.whole(1)), "b": shape.text()}, {"c": shape.maybe(shape.number())})
    assert check({"a": [1], "b": "", "c": None}) == {"a": [1], "b": "", "c": None}
    found = problems(check, {"a": [1, 0, "x"], "c": True, "d": 1})
    assert [path for path, _ in found] == ["b", "d", "a.1", "a.2", "c"]


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "1" * 10_000, "\\ud800", "NaN"])
def test_what_is_no_json_is_malformed_and_nothing_else(text: str) -> None:
    with pytest.raises(shape.Malformed):
        shape.read_json(text, shape.table({}))


@pytest.mark.parametrize("text", ["yesterday", "", "2026-11-21", "2026-11-21T10:00:00", "9999-12-31T23:59:59Z"])
def test_a_text_that_is_no_time_is_none(text: str) -> None:
    assert moment(text) is None
    assert moment("2026-11-21T10:00:00Z") == moment("2026-11-21T11:00:00+01:00")


def test_outputs_of_a_state_that_are_not_slipway_s_are_named() -> None:
    droplet = {"id": 7, "name": "x", "address": "198.18.0.2"}
    whole = {"droplets": {"v1-a": droplet}, "floating_ip": "198.18.13.1", "reference": None, "another": [1]}
    assert OUTPUTS(whole) == whole
    wrong = {**whole, "droplets": {"v1-a": {**droplet, "id": "7"}}, "floating_ip": 5}
    assert [path for path, _ in problems(OUTPUTS, wrong)] == ["droplets.v1-a.id", "floating_ip"]


def test_a_reference_in_a_state_or_a_candidate_that_is_none_is_one_sentence() -> None:
    odd: list[object] = [[1], {"live": 7}, {"live": None, "standby": None, "releases": {"x": {}}}]
    for data in odd:
        with pytest.raises(PipelineError, match="The reference in the state is corrupt"):
            Reference.from_state(data)
    for text in ("{", "[]", json.dumps({"version": 7})):
        with pytest.raises(PipelineError, match="SLIPWAY_CANDIDATE is no release"):
            candidate({"SLIPWAY_CANDIDATE": text}, "v1-a")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"before": [1]}', '{"before": null}'])
def test_a_note_of_an_order_that_cannot_be_read_is_one_sentence(tmp_path: Path, text: str) -> None:
    assert state.ordered(tmp_path) is None
    (tmp_path / state.ORDERED).write_text(text)
    with pytest.raises(PipelineError, match="is corrupt"):
        state.ordered(tmp_path)


def test_a_lock_whose_numbers_are_none_is_no_lock() -> None:
    name = "slipway-lock:shop:local:deploy:ann@desk:run:place:1:2:3"
    assert parse_lock(name, 4, 3) is not None
    for number in ("9" * 5000, "²", "٣", ""):
        assert parse_lock(f"{name.rpartition(':')[0]}:{number}", 4, 3) is None
