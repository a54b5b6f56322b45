"""The deploy key and the host keys that follow from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from slipway.environment.keys import DeployKey
from slipway.errors import PipelineError


def test_a_key_is_made_once_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    key = DeployKey.load(tmp_path / "local", None)
    assert key.identity.stat().st_mode & 0o777 == 0o600
    assert DeployKey.load(tmp_path / "local", None).public == key.public


def test_the_same_secret_gives_the_same_host_keys_elsewhere(tmp_path: Path) -> None:
    here = DeployKey.load(tmp_path / "here", None)
    there = DeployKey.load(tmp_path / "there", here.identity.read_text())
    assert there.public == here.public
    assert there.host_key("v1-abc").public == here.host_key("v1-abc").public
    assert there.host_key("v1-abc").public != here.host_key("v2-abc").public


def test_a_key_with_the_line_ends_of_windows_is_written_as_openssh_reads_it(tmp_path: Path) -> None:
    text = DeployKey.load(tmp_path / "here", None).identity.read_text()
    there = DeployKey.load(tmp_path / "there", "\r\n" + text.replace("\n", "\r\n").strip())
    assert there.identity.read_bytes() == text.encode()


def test_a_host_key_s_halves_belong_together(tmp_path: Path) -> None:
    host_key = DeployKey.load(tmp_path, None).host_key("v1-abc")
    private = serialization.load_ssh_private_key(host_key.private.encode(), None)
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    assert public.decode() == host_key.public
    assert host_key.private not in repr(host_key)


def test_what_is_no_usable_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="DEPLOY_SSH_KEY does not hold a usable SSH key"):
        DeployKey.load(tmp_path, "nonsense")
    other = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    with pytest.raises(PipelineError, match="not Ed25519"):
        DeployKey.load(tmp_path, other.decode())
    assert not (tmp_path / "id_ed25519").exists()
