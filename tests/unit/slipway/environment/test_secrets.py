"""Secrets: where they come from, that they are shown nowhere, and what is said when they are not there."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict
from pathlib import Path

import pytest

from slipway.config import Cloud, Settings
from slipway.data import Malformed, checked
from slipway.environment.keys import DeployKey
from slipway.environment.secrets import File, Secret, VaultSecret, collect, fingerprints, source
from slipway.errors import PipelineError
from slipway.project import SecretSettings, VaultSettings
from slipway.tools.vault import Vault
from tests.support import free_port
from tests.unit.slipway.projects import project

VALUE = "a-value-that-nobody-sees"


def settings(root: Path, secrets: SecretSettings) -> Settings:
    found = project(root, secrets=asdict(secrets))
    return Settings(found, "local", Cloud("local", "http://127.0.0.1:1", "token"))


def a_file(folder: Path, text: str, mode: int = 0o600) -> File:
    path = folder / "secrets.env"
    path.write_text(text)
    path.chmod(mode)
    return File(path, folder)


def test_a_secret_is_shown_copied_and_dumped_nowhere() -> None:
    secret = Secret(VALUE)
    assert VALUE not in f"{secret} {secret!r} {[secret]}"
    for dump in (pickle.dumps, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError) as refused:
            dump(secret)
        assert VALUE not in str(refused.value)
    assert secret.reveal() == VALUE


def test_the_environment_is_the_default(tmp_path: Path) -> None:
    found = source(settings(tmp_path, SecretSettings(names=("APP_KEY",))), {"APP_KEY": VALUE})
    assert collect(found, ["APP_KEY"])["APP_KEY"].reveal() == VALUE
    assert found.issuer is None


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    found = source(settings(tmp_path, SecretSettings()), {"APP_KEY": VALUE, "APP_EMPTY": ""})
    with pytest.raises(PipelineError, match="^The environment does not have APP_EMPTY, APP_OTHER.$"):
        collect(found, ["APP_KEY", "APP_EMPTY", "APP_OTHER"])


def test_a_secret_may_have_lines(tmp_path: Path) -> None:
    found = source(settings(tmp_path, SecretSettings()), {"APP_KEY": "-----BEGIN\nabc\n-----END\n"})
    assert collect(found, ["APP_KEY"])["APP_KEY"].reveal() == "-----BEGIN\nabc\n-----END\n"


@pytest.mark.parametrize(("value", "says"), [("caf\udce9", "not UTF-8 at character 4"), ("a\0b", "has a NUL byte")])
def test_a_secret_that_no_environment_can_hold_is_refused_without_showing_it(
    tmp_path: Path, value: str, says: str
) -> None:
    with pytest.raises(PipelineError, match=f"^The secret APP_KEY .*{says}") as refused:
        collect(source(settings(tmp_path, SecretSettings()), {"APP_KEY": value}), ["APP_KEY"])
    assert value not in refused.value.message + refused.value.hint


def test_a_file_has_a_line_for_each(tmp_path: Path) -> None:
    found = a_file(tmp_path, "# of the app\n\nAPP_ONE=a=b #c\nAPP_TWO='two words'\n")
    values = {name: secret.reveal() for name, secret in collect(found, ["APP_ONE", "APP_TWO"]).items()}
    assert values == {"APP_ONE": "a=b #c", "APP_TWO": "two words"}


def test_a_file_is_read_byte_for_byte(tmp_path: Path) -> None:
    lines = (
        'APP_QUOTED="  blanks stay "',
        "APP_SEPARATORS=\u2028\x85\x1c\x0b\xa0x\xa0",
        "APP_WINDOWS=ends in CR LF\r",
        "APP_INNER=a\rb",
        "APP_MARKS=\ufeffe\u0301",
        "APP_DOLLAR=${x} %{if} $HOME \\\\ '",
    )
    found = a_file(tmp_path, "\ufeff" + "\n".join(lines) + "\n")
    names = [line.partition("=")[0] for line in lines]
    assert [found.get(name).reveal() for name in names] == [  # type: ignore[union-attr]
        "  blanks stay ",
        "\u2028\x85\x1c\x0b\xa0x\xa0",
        "ends in CR LF",
        "a\rb",
        "\ufeffe\u0301",
        "${x} %{if} $HOME \\\\ '",
    ]


def test_a_line_that_is_not_utf_8_or_comes_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    path.write_bytes(b"APP_KEY=caf\xe9\n")
    path.chmod(0o600)
    with pytest.raises(PipelineError, match="^Line 1 of secrets.env is not UTF-8.$"):
        File(path, tmp_path).get("APP_KEY")
    with pytest.raises(PipelineError, match="^Line 2 of secrets.env gives APP_KEY a second time.$"):
        a_file(tmp_path, "APP_KEY=a\nAPP_KEY=b\n").get("APP_KEY")


class AnsweringVault:
    """A Vault whose one secret has these fields."""

    def __init__(self, fields: dict[str, object]) -> None:
        self._fields = fields

    def read(self, mount: str, path: str) -> dict[str, object]:
        return self._fields


def test_a_field_of_vault_that_is_no_text_is_refused() -> None:
    fields: dict[str, object] = {"APP_TEXT": "e\u0301", "APP_NUMBER": 5, "APP_FLAG": True, "APP_MAP": {"a": 1}}
    found = VaultSecret(AnsweringVault(fields), "secret", "app")  # type: ignore[arg-type]
    read = collect(found, ["APP_TEXT", "APP_NUMBER"])
    assert {name: secret.reveal() for name, secret in read.items()} == {"APP_TEXT": "e\u0301", "APP_NUMBER": "5"}
    for name in ("APP_FLAG", "APP_MAP"):
        with pytest.raises(PipelineError, match=f"^The field {name} of secret/app in Vault is neither a text nor"):
            collect(found, [name])


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(PipelineError, match=f"secrets.env holds secrets.* its mode is {mode:04o}"):
        a_file(tmp_path, f"APP_KEY={VALUE}\n", mode).get("APP_KEY")


def test_a_file_that_is_not_there_or_not_understood_is_named_without_its_text(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="There is no secrets.env"):
        File(tmp_path / "secrets.env", tmp_path).get("APP_KEY")
    with pytest.raises(PipelineError, match="^Line 2 of secrets.env is not NAME=value.$"):
        a_file(tmp_path, f"A=b\n{VALUE}\n").get("APP_KEY")


def test_fingerprints_change_with_value_name_and_deploy_key_alone(tmp_path: Path) -> None:
    here, other = (DeployKey.load(tmp_path / name, None) for name in ("here", "other"))
    known = fingerprints({"APP_KEY": Secret(VALUE)}, here)
    assert known == fingerprints({"APP_KEY": Secret(VALUE)}, here)
    assert set(known) == {"APP_KEY"} and len(known["APP_KEY"]) == 12
    for changed in (
        fingerprints({"APP_KEY": Secret("another")}, here),
        fingerprints({"APP_OTHER": Secret(VALUE)}, here),
        fingerprints({"APP_KEY": Secret(VALUE)}, other),
    ):
        assert not set(changed.values()) & set(known.values())


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"names": ["lower"]}, 'names.0 is "lower"; it should be the name of a variable'),
        ({"names": ["APP_DATABASE_URL"]}, 'names.0 is "APP_DATABASE_URL"; slipway itself sets this variable'),
        ({"names": ["MAINPID"]}, 'names.0 is "MAINPID"; systemd itself sets this variable'),
        ({"source": "keychain"}, "source is \"keychain\"; it should be 'environment', 'file' or 'vault'"),
        ({"vault": {"role": "x"}}, "vault.role is unknown; known are address, database_mount, database_role"),
        ({"vault": {"address": 1}}, "vault.address is 1; it should be an address such as https://vault"),
    ],
)
def test_a_wrong_setting_is_named(table: dict[str, object], says: str) -> None:
    with pytest.raises(Malformed, match=says):
        checked(SecretSettings, table)


@pytest.mark.parametrize(
    ("address", "environ", "says"),
    [
        ("", {}, "Vault's address is not known"),
        ("https://[::1", {}, "Vault's address is not known"),
        ("https://v", {"VAULT_TOKEN": "s.x\n"}, "VAULT_TOKEN has a blank, the end of a line"),
        ("https://v", {"VAULT_TOKEN": "caf\udce9"}, "VAULT_TOKEN has a blank, the end of a line"),
        ("https://v", {"VAULT_NAMESPACE": "a b"}, "VAULT_NAMESPACE has a blank, the end of a line"),
        ("vault.example.com:8200", {}, "Vault's address is not known"),
        ("http://vault.example.com:8200", {"VAULT_TOKEN": VALUE}, "would get the token unencrypted"),
        ("https://vault.example.com", {"HOME": "/nonexistent"}, "no way to log in to Vault"),
    ],
)
def test_a_vault_that_cannot_be_asked_safely_is_not_asked(address: str, environ: dict[str, str], says: str) -> None:
    with pytest.raises(PipelineError, match=says) as refused:
        Vault.connect(address, environ)
    assert VALUE not in refused.value.message + refused.value.hint


def test_a_vault_that_is_not_there_is_named(tmp_path: Path) -> None:
    wanted = SecretSettings(
        names=("APP_KEY",), source="vault", vault=VaultSettings(address=f"http://127.0.0.1:{free_port()}")
    )
    with pytest.raises(PipelineError, match="does not answer"):
        source(settings(tmp_path, wanted), {"VAULT_TOKEN": VALUE}).get("APP_KEY")
