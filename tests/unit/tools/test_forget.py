"""What the provider cannot see is gone is taken out of the state, and nothing that the state does not have is named."""

from __future__ import annotations

from pathlib import Path

from pipeline.tools.encryption import Encryption
from pipeline.tools.terraform import Root, Terraform

ENGINE = """#!/bin/sh
echo "$@" >>calls
[ "$1 $2" != "state list" ] || printf 'digitalocean_database_db.app\\ndigitalocean_tag.environment\\n'
"""


def test_only_what_the_state_has_is_forgotten(tmp_path: Path) -> None:
    binary = tmp_path / "tofu"
    binary.write_text(ENGINE)
    binary.chmod(0o755)
    engine = Terraform(binary, Root(tmp_path, tmp_path, tmp_path / "backend.tf"), {}, Encryption("0" * 64))
    engine.forget(["digitalocean_database_firewall.app"])
    assert (tmp_path / "calls").read_text() == "state list\n"
    engine.forget(["digitalocean_database_firewall.app", "digitalocean_database_db.app"])
    assert (tmp_path / "calls").read_text().splitlines()[-1] == "state rm digitalocean_database_db.app"
