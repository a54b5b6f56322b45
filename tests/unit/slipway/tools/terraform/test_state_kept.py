"""The copy that a state which is cut short is taken from: it is as new as the last apply that ended."""

from __future__ import annotations

from pathlib import Path

from slipway.tools.terraform import state
from slipway.tools.terraform.encryption import Encryption
from slipway.tools.terraform.engine import Root, Terraform

ENGINE = """#!/bin/sh
[ "$1" != apply ] || echo '{"serial": 2}' >terraform.tfstate
"""


def test_what_an_apply_wrote_is_not_lost_with_the_state(tmp_path: Path) -> None:
    binary = tmp_path / "tofu"
    binary.write_text(ENGINE)
    binary.chmod(0o755)
    engine = Terraform(binary, Root(tmp_path, tmp_path, tmp_path / "backend.tf"), {}, Encryption("0" * 64))
    written = tmp_path / state.STATE
    written.write_text('{"serial": 1}')
    engine.apply_plan(tmp_path / "plan", lambda event: None)
    written.write_text('{"ser')
    said: list[str] = []
    state.rescue(tmp_path, said.append)
    assert state.serial(written) == 2 and len(said) == 1
