"""Data of others: what it has to look like, and everything that is wrong with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from slipway.data import Malformed, Table, checked, read_json
from slipway.durations import moment
from slipway.environment.outputs import Outputs
from slipway.environment.reference import Reference
from slipway.errors import PipelineError
from slipway.names import parse_lock
from slipway.tools.terraform import state
from slipway.verification.verify import candidate


@dataclass(frozen=True, kw_only=True)
class Inner(Table):
    c: float | None = None


@dataclass(frozen=True, kw_only=True)
class Outer(Table):
    a: list[Annotated[int, Field(ge=1)]]
    b: str
    inner: Inner = Inner()


def test_everything_that_is_wrong_is_told_with_its_place_its_value_and_what_would_be_right() -> None:
    assert checked(Outer, {"a": [1], "b": "", "inner": {"c": 2}}) == Outer(a=[1], b="", inner=Inner(c=2.0))
    with pytest.raises(Malformed) as error:
        checked(Outer, {"a": [1, 0, "x"], "inner": {"c": True, "cc": 1}, "d": 1})
    assert dict(error.value.problems) == {
        "a.1": "is 0; it should be greater than or equal to 1",
        "a.2": 'is "x"; it should be a whole number',
        "b": "is missing",
        "inner.c": "is true; it should be a number",
        "inner.cc": "is unknown; did you mean c?",
        "d": "is unknown; known are a, b, inner",
    }


@pytest.mark.parametrize("value", [1, [], "x", None, {"a": 1, "b": {}}, {"a": [[]], "b": "", "inner": []}])
def test_nothing_else_than_a_table_is_one(value: object) -> None:
    with pytest.raises(Malformed):
        checked(Outer, value)


def test_a_long_value_is_shown_in_part() -> None:
    with pytest.raises(Malformed) as error:
        checked(Outer, {"a": ["x" * 1000], "b": ""})
    assert len(str(error.value)) < 120


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "1" * 10_000, '"\\ud800"', "NaN", '{"c": NaN}', '{"c": 1e999}'])
def test_what_is_no_json_is_malformed_and_nothing_else(text: str) -> None:
    with pytest.raises(Malformed):
        read_json(text, Inner)


@pytest.mark.parametrize("text", ["yesterday", "", "2026-11-21", "2026-11-21T10:00:00", "9999-12-31T23:59:59Z"])
def test_a_text_that_is_no_time_is_none(text: str) -> None:
    assert moment(text) is None
    assert moment("2026-11-21T10:00:00Z") == moment("2026-11-21T11:00:00+01:00")


def test_outputs_of_a_state_that_are_not_slipway_s_are_named() -> None:
    droplet = {"id": 7, "name": "x", "address": "198.18.0.2"}
    whole = {"droplets": {"v1-a": droplet}, "floating_ip": "198.18.13.1", "reference": None, "another": [1]}
    assert Outputs.parse(whole).address == "198.18.13.1"
    wrong = {**whole, "droplets": {"v1-a": {**droplet, "id": "7"}}, "floating_ip": 5}
    with pytest.raises(PipelineError, match=r"floating_ip is 5.*droplets.v1-a.id is .7.; it should be a whole"):
        Outputs.parse(wrong)


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
