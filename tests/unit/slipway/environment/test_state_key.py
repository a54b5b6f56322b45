"""The key of the states: where it comes from, and when a run is refused rather than a state lost or left open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slipway.environment.state_key import StateKey
from slipway.errors import PipelineError
from slipway.tools.terraform.encryption import Encryption, is_encrypted

KEY, OTHER = "a" * 64, "b" * 64


def test_the_first_run_makes_a_key_that_is_its_owners_alone(tmp_path: Path) -> None:
    key = StateKey(tmp_path, {})
    made = key.load([], elsewhere=False)
    assert len(made) == 64
    assert key.path.stat().st_mode & 0o777 == 0o600
    assert StateKey(tmp_path, {}).load([], elsewhere=True) == made


def test_the_variable_goes_before_the_file_and_is_not_kept(tmp_path: Path) -> None:
    assert StateKey(tmp_path, {"SLIPWAY_STATE_KEY": f"{KEY}\n"}).load([], elsewhere=False) == KEY
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["short", "a" * 31, "a" * 40 + "${", 'a"' * 30])
def test_a_key_that_is_none_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(PipelineError, match="SLIPWAY_STATE_KEY does not hold a usable key") as error:
        StateKey(tmp_path, {"SLIPWAY_STATE_KEY": text}).load([], elsewhere=False)
    assert text not in f"{error.value.message}{error.value.hint}"


def test_no_new_key_is_made_beside_a_state_that_it_would_not_open(tmp_path: Path) -> None:
    state = tmp_path / "terraform.tfstate"
    state.write_text(json.dumps({"serial": 1, "encrypted_data": "…"}))
    with pytest.raises(PipelineError, match="The state is encrypted and its key is gone"):
        StateKey(tmp_path, {}).load([state], elsewhere=False)
    assert not (tmp_path / "state.key").exists()


def test_no_key_is_made_that_would_be_lost_with_a_runner(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="would be lost with this runner"):
        StateKey(tmp_path, {"CI": "true"}).load([], elsewhere=True)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    key = StateKey(tmp_path, {})
    key.path.write_text(KEY)
    key.path.chmod(0o640)
    with pytest.raises(PipelineError, match="its mode is 0640"):
        key.load([], elsewhere=False)


def test_an_interrupted_rotation_is_finished_first(tmp_path: Path) -> None:
    key = StateKey(tmp_path, {})
    for path in (key.path, key.coming):
        path.write_text(KEY)
        path.chmod(0o600)
    with pytest.raises(PipelineError) as error:
        key.load([], elsewhere=False)
    assert "./invoke rotate state" in error.value.hint


def test_what_a_state_file_tells_of_itself(tmp_path: Path) -> None:
    state = tmp_path / "terraform.tfstate"
    assert is_encrypted(state) is None
    for text, says in (("", None), ('{"version": 4}', False), ('{"encrypted_data": "…"}', True)):
        state.write_text(text)
        assert is_encrypted(state) is says


def test_encryption_is_strict_unless_plain_text_is_on_its_way_in_or_out() -> None:
    text = Encryption(KEY).environment["TF_ENCRYPTION"]
    assert text.count("enforced = true") == 2 and "unencrypted" not in text and "fallback" not in text
    rotating = Encryption(OTHER).after(KEY).environment["TF_ENCRYPTION"]
    assert rotating.count("enforced = true") == 2 and rotating.count("fallback") == 2
    arriving = Encryption(KEY).after(None).environment["TF_ENCRYPTION"]
    assert "enforced" not in arriving and "method.unencrypted.plain" in arriving
    assert Encryption(None).environment == {}
    assert "method.unencrypted.plain" in Encryption(None).after(KEY).environment["TF_ENCRYPTION"]
    assert KEY not in repr(Encryption(KEY))
