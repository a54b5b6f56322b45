"""OpenTofu removes from the state what the provider cannot see is gone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from slipway.tools.terraform.encryption import Encryption
from slipway.tools.terraform.engine import Root, Terraform, UnreadableState
from slipway.tools.toolchain import Toolchain

ROOT = Path(__file__).parents[5]
MAIN = """
resource "terraform_data" "kept" {}
resource "terraform_data" "gone" { for_each = toset(["a"]) }
"""


@pytest.fixture
def engine(tmp_path: Path) -> Terraform:
    """OpenTofu in a root module with two resources, both in the state."""
    (tmp_path / "main.tf").write_text(MAIN)
    (tmp_path / "rc").touch()
    binary = Toolchain.from_environment(ROOT, os.environ).tofu()
    root = Root(tmp_path, tmp_path, tmp_path / "backend.tf")
    found = Terraform(binary, root, {"TF_CLI_CONFIG_FILE": str(tmp_path / "rc")}, Encryption("0" * 64))
    for words in (["init"], ["apply", "-auto-approve"]):
        subprocess.run([binary, *words], cwd=tmp_path, env=found.environment, capture_output=True, check=True)
    return found


def test_only_what_the_state_has_is_forgotten(engine: Terraform) -> None:
    engine.forget(["terraform_data.never"])
    assert len(engine.resources()) == 2
    engine.forget(["terraform_data.never", 'terraform_data.gone["a"]'])
    assert len(engine.resources()) == 1
    engine.forget(['terraform_data.gone["a"]'])
    assert len(engine.resources()) == 1


def test_nothing_is_forgotten_where_nothing_was_applied(engine: Terraform, tmp_path: Path) -> None:
    (tmp_path / "terraform.tfstate").unlink()
    engine.forget(["terraform_data.kept"])
    assert not (tmp_path / "terraform.tfstate").exists()


def test_another_failure_is_told(engine: Terraform) -> None:
    stranger = Terraform(engine._binary, engine._root, engine._env, Encryption("1" * 64))
    with pytest.raises(UnreadableState):
        stranger.forget(["terraform_data.kept"])
