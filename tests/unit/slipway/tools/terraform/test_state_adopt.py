"""Something that is there comes into the state, past the lock of a run that died, and not past one that lives."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.errors import PipelineError
from slipway.tools.terraform import state
from slipway.tools.terraform.encryption import Encryption
from slipway.tools.terraform.engine import Root, Terraform
from tests.unit.slipway.tools.terraform.test_state_lock import HERE, SAID

pytestmark = pytest.mark.filterwarnings(
    "ignore:The 'warn' method is deprecated:DeprecationWarning"
)  # python-terraform's

ENGINE = """#!/bin/sh
echo "$@" >>calls
case "$1" in
import) [ ! -e locked ] || { cat locked >&2; exit 1; } ;;
force-unlock) rm locked ;;
esac
"""
IMPORT = "import -input=false -no-color digitalocean_ssh_key.deploy 5"


def engine(folder: Path) -> Terraform:
    binary = folder / "tofu"
    binary.write_text(ENGINE)
    binary.chmod(0o755)
    (folder / "backend.tf").write_text("")
    return Terraform(binary, Root(folder, folder, folder / "backend.tf"), {}, Encryption("0" * 64))


def test_the_state_is_copied_first(tmp_path: Path) -> None:
    (tmp_path / state.STATE).write_text('{"serial": 3}')
    engine(tmp_path).adopt("digitalocean_ssh_key.deploy", "5")
    assert (tmp_path / "calls").read_text() == f"{IMPORT}\n"
    assert state.serial(tmp_path / state.KEPT) == 3


def test_a_dead_runs_lock_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / "locked").write_text(SAID.format(who=HERE))
    engine(tmp_path).adopt("digitalocean_ssh_key.deploy", "5")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == [IMPORT, "force-unlock -force 0b0d5f9e-5a0f-8a8a-5f3e-1f2d3c4b5a69", IMPORT]


def test_another_ones_lock_is_respected(tmp_path: Path) -> None:
    (tmp_path / "locked").write_text(SAID.format(who="ann@desk"))
    with pytest.raises(PipelineError, match="The state is locked by ann@desk"):
        engine(tmp_path).adopt("digitalocean_ssh_key.deploy", "5")
    assert (tmp_path / "calls").read_text() == f"{IMPORT}\n"
