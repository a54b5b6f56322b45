"""What a session keeps, and for how long."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from slipway.environment.outputs import Outputs
from slipway.environment.session import Session

ROOT = Path(__file__).parents[4]


class Engine:
    """Counts how often the outputs are read."""

    def __init__(self) -> None:
        self.reads = 0

    def outputs(self) -> dict[str, Any]:
        self.reads += 1
        return {"floating_ip": f"192.0.2.{self.reads}"}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A session of an environment that has no state yet."""
    shutil.copy(ROOT / "slipway.toml", tmp_path)
    environments = tmp_path / "terraform" / "environments"
    environments.mkdir(parents=True)
    shutil.copy(ROOT / "terraform/environments/production.tfvars.json", environments)
    made = Session(tmp_path, {"DIGITALOCEAN_TOKEN": "a-token"}, "production")
    vars(made).update(_terraform=Engine(), _state_key="a-key")
    return made


def written(session: Session, text: str) -> None:
    """Write the state as the engine does: a new file in the place of the old one."""
    state = session.roots[0].state
    state.parent.mkdir(parents=True, exist_ok=True)
    (new := state.with_suffix(".new")).write_text(text)
    new.rename(state)


def test_without_a_state_there_are_no_outputs_and_no_engine_is_asked(session: Session) -> None:
    assert session.outputs() == Outputs()
    assert vars(session)["_terraform"].reads == 0


def test_outputs_are_read_once_for_each_state(session: Session) -> None:
    written(session, "one")
    assert session.outputs() == session.outputs() == Outputs("192.0.2.1")
    written(session, "another")
    assert session.outputs() == Outputs("192.0.2.2")


def test_outputs_are_kept_for_the_next_session_unless_what_is_kept_is_torn(session: Session) -> None:
    written(session, "one")
    before = session.outputs()
    kept = session.roots[0].folder / "outputs.json"
    text = kept.read_text()
    assert Outputs.parse(json.loads(text)["outputs"]) == before
    kept.write_text(text[:10])
    assert session.outputs() == Outputs("192.0.2.2")


def test_outputs_that_cannot_be_kept_are_read_each_time(session: Session) -> None:
    written(session, "one")
    (session.roots[0].folder / "outputs.json").symlink_to("gone/outputs.json")
    assert [session.outputs().address for _ in range(2)] == ["192.0.2.1", "192.0.2.2"]


def test_outputs_that_were_read_with_another_key_are_not_taken(session: Session) -> None:
    written(session, "one")
    before = session.outputs()
    vars(session)["_state_key"] = "another key"
    assert session.outputs() != before


def test_outputs_of_a_state_that_is_kept_elsewhere_are_read_each_time(session: Session) -> None:
    session.roots[0].backend.write_text("")
    assert session.outputs() != session.outputs()
