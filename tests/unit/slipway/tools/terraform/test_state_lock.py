"""A state's lock: read from what OpenTofu says of it, explained, and known for dead where that can be known."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from slipway.tools.terraform import state_lock

SAID = """Error message: resource temporarily unavailable
Lock Info:
  ID:        0b0d5f9e-5a0f-8a8a-5f3e-1f2d3c4b5a69
  Path:      terraform.tfstate
  Operation: OperationTypeApply
  Who:       {who}
  Version:   1.12.6
  Created:   2026-11-21 12:00:00.0 +0000 UTC
  Info:

OpenTofu acquires a state lock to protect the state from being written"""
HERE = f"{getpass.getuser()}@{os.uname().nodename}"


def test_it_says_who_has_it_and_how_it_is_taken_away() -> None:
    lock = state_lock.found(SAID.format(who="ann@desk"))
    assert lock is not None
    error = lock.explained("tofu")
    assert error.message == "The state is locked by ann@desk since 2026-11-21 12:00:00.0 +0000 UTC (apply)."
    assert "tofu force-unlock 0b0d5f9e-5a0f-8a8a-5f3e-1f2d3c4b5a69" in error.hint


def test_only_an_owner_of_this_machine_is_known_to_be_dead(tmp_path: Path) -> None:
    locks = [state_lock.found(SAID.format(who=who)) for who in (HERE, "ann@desk")]
    assert [lock is not None and lock.is_dead_here(tmp_path) for lock in locks] == [True, False]


def test_another_error_tells_of_no_lock() -> None:
    assert state_lock.found("Error: 422 Droplet already has a pending event.") is None
