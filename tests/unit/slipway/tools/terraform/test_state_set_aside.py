"""What an apply that died has set aside is taken back before anything is planned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slipway.tools.terraform import state
from slipway.tools.terraform.encryption import Encryption
from slipway.tools.terraform.engine import Root, Terraform

pytestmark = pytest.mark.filterwarnings(
    "ignore:The 'warn' method is deprecated:DeprecationWarning"
)  # python-terraform's

ENGINE = """#!/bin/sh
echo "$1 $2" | sed 's/ -.*//' >>calls
case "$1 $2" in
plan*) cat planned; [ ! -e after ] || mv after planned; exit 2 ;;
"state pull") cat pulled ;;
"state push") cat >pushed ;;
esac
"""


def planned(*changes: tuple[str, str]) -> str:
    events = [{"resource": {"addr": addr}, "action": action} for addr, action in changes]
    return "".join(
        json.dumps({"type": "planned_change", "@level": "info", "@message": "", "change": each}) + "\n"
        for each in events
    )


@pytest.fixture
def engine(tmp_path: Path) -> Terraform:
    binary = tmp_path / "tofu"
    binary.write_text(ENGINE)
    binary.chmod(0o755)
    (tmp_path / state.STATE).write_text('{"serial": 3}')
    return Terraform(binary, Root(tmp_path, tmp_path, tmp_path / "backend.tf"), {}, Encryption("0" * 64))


def test_what_would_be_made_and_removed_at_once_is_taken_back(tmp_path: Path, engine: Terraform) -> None:
    (tmp_path / "planned").write_text(planned(("a.live", "create"), ("b.other", "create"), ("a.live", "delete")))
    (tmp_path / "after").write_text(planned(("b.other", "create")))
    instances = [{"attributes": {"id": "7"}, "deposed": "c8d38dd2"}]
    (tmp_path / "pulled").write_text(json.dumps({"serial": 3, "resources": [{"instances": instances}]}))
    changes = engine.plan(None, tmp_path / "plan")
    assert [each["resource"]["addr"] for each in changes or []] == ["b.other"]
    assert (tmp_path / "calls").read_text().splitlines() == ["plan", "state pull", "state push", "plan"]
    pushed = json.loads((tmp_path / "pushed").read_text())
    assert pushed == {"serial": 4, "resources": [{"instances": [{"attributes": {"id": "7"}}]}]}
    assert state.serial(tmp_path / state.KEPT) == 3


def test_a_state_without_such_is_left_as_it_is(tmp_path: Path, engine: Terraform) -> None:
    (tmp_path / "planned").write_text(planned(("a.live", "replace"), ("b.other", "delete")))
    assert len(engine.plan(None, tmp_path / "plan") or []) == 2
    assert (tmp_path / "calls").read_text() == "plan\n"
