"""Settings on their way to the app: unchanged, or refused by name before anything is made."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from slipway import redaction
from slipway.environment import boot, reference
from slipway.environment.reference import Reference, Release
from slipway.errors import PipelineError
from slipway.tools.terraform.engine import expression

AWKWARD = (
    '"',
    "\\",
    "\\\\",
    "'",
    "`id`",
    "$HOME",
    "${x}",
    "$${x}",
    "%{if}",
    "%%{if}",
    "%h",
    "#",
    ";",
    "=",
    " ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\\\n",
    "\x01",
    "\b\f",
    "\x1b[31m",
    "\x7f",
    "\x80",
    "\x85",
    "\x9f",
    "\xa0",
    "\u2028",
    "\ufeff",
    "e\u0301",
    "\u212b",
    "\u1100\u1161",
    "\U0001f600",
    "\U0010fffd",
    "\nAPP_OTHER=other\n",
    '"\nAPP_OTHER="other"\n',
)
"""What shells, YAML, HCL, systemd or Unicode's normal forms treat in a way of their own."""


def is_fit(value: str) -> bool:
    """Whether the value is taken."""
    try:
        boot.refuse_unfit("It", value)
    except PipelineError:
        return False
    return True


def for_all(*drawn_from: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A test of many drawn inputs; a busy machine may take its time for one."""
    return lambda test: settings(deadline=None)(drawn(*drawn_from)(test))


values = st.lists(st.one_of(st.sampled_from(AWKWARD), st.text(max_size=3)), max_size=12).map("".join)
values = values.filter(lambda text: is_fit(text))
names = st.from_regex(r"APP_[A-Z0-9_]{0,8}", fullmatch=True)
many = st.dictionaries(names, values, max_size=6)


def release(**config: str) -> Release:
    return Release("v1", "c0ffee", "app-v1-0123456789ab", "s-1vcpu-1gb", "feed", config)


def as_systemd_reads(data: bytes) -> dict[str, str]:
    """The variables of an environment file whose values are quoted, by the rules of systemd's `env-file.c`."""
    found: dict[str, str] = {}
    name, value, state = "", "", "key"
    text = data.decode()
    for at, each in enumerate(text):
        match state:
            case "key" if each == "=":
                assert text[at + 1] == '"'
                value, state = "", "before"
            case "key":
                name += "" if each == "\n" else each
            case "before":
                state = "quoted"
            case "quoted" if each == '"':
                found[name], name, state = value, "", "key"
            case "quoted" if each == "\\":
                state = "escape"
            case "quoted":
                value += each
            case "escape":
                value += each if each in '"\\`$' else "" if each == "\n" else "\\" + each
                state = "quoted"
    assert state == "key"
    return found


@for_all(many)
def test_systemd_reads_what_was_given(given: dict[str, str]) -> None:
    assert as_systemd_reads(boot.environment_file(given)) == given


@for_all(many, many, st.text(alphabet="abc/:@%", max_size=9))
def test_a_line_can_follow_in_base64(config: dict[str, str], secrets: dict[str, str], url: str) -> None:
    found = release(**config)
    line = base64.b64encode(f'APP_DATABASE_URL="{url}"\n'.encode()).decode()
    text = base64.b64decode(boot.encoded(found, secrets) + line, validate=True)
    wanted = {**config, **secrets, "APP_RELEASE": found.key, "APP_DATABASE_URL": url}
    assert as_systemd_reads(text) == wanted


@for_all(many)
def test_the_reference_file_gives_back_what_was_written(given: dict[str, str]) -> None:
    written = Reference().deploying(release(**given)).dump()
    assert Reference.parse(written) == Reference().deploying(release(**given))
    for entry in json.loads(written)["releases"].values():
        assert all(map(boot.is_kept_by_opentofu, entry["config"].values()))
        assert entry["config"].keys() | entry.get("config_base64", {}).keys() == given.keys()


def test_ordinary_text_stays_readable_in_the_reference_file() -> None:
    words = {"APP_MESSAGE": "Grüße, 世界 🙂 ${x}\n", "APP_OTHER": "Gru\u0308ße"}
    entry = release(**words).dump()
    assert entry["config"] == {"APP_MESSAGE": words["APP_MESSAGE"]}
    assert entry["config_base64"] == {"APP_OTHER": base64.b64encode("Gru\u0308ße".encode()).decode()}
    assert "config_base64" not in release(APP_MESSAGE="plain").dump()


def test_terraform_gives_every_entry_an_empty_map() -> None:
    assert Release.parse({**release().dump(), "config_base64": {}}) == release()
    assert Release.parse({**release().dump(), "config_base64": None}) == release()


@pytest.mark.parametrize(
    ("encoded", "says"),
    [
        ({"APP_A": "eA=="}, "APP_A is in config and in config_base64"),
        ({"APP_B": "no base64"}, "it should be a text in base64"),
        ({"APP_B": 1}, "it should be a text in base64"),
        ({"APP_B": "/w=="}, "it should be a text in base64"),
        (["APP_B"], "it should be a table"),
    ],
)
def test_an_entry_that_was_encoded_wrongly_is_refused(encoded: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Release.parse({**release(APP_A="x").dump(), "config_base64": encoded})


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("caf\udce9", "The value of APP_MESSAGE is not UTF-8 at character 4, and systemd takes nothing else."),
        ("\ud83d", "The value of APP_MESSAGE is not UTF-8 at character 1, and systemd takes nothing else."),
        ("\ufdd0", "The value of APP_MESSAGE has U+FDD0 at character 1, which Unicode keeps for no text."),
        ("a\U0010ffff", "The value of APP_MESSAGE has U+10FFFF at character 2, which Unicode keeps for no text."),
        ("a\0b", "The value of APP_MESSAGE has a NUL byte, which no environment variable can hold."),
        ("x" * 100_000, "The settings come to 100015 bytes; the limit is 20480."),
    ],
)
def test_what_no_environment_can_hold_is_refused_by_name(value: str, says: str) -> None:
    with pytest.raises(PipelineError) as refused:
        reference.check_config({"APP_MESSAGE": value})
    assert refused.value.message == says
    assert refused.value.hint and value not in refused.value.hint


def test_secrets_count_for_the_length_of_user_data() -> None:
    fits = {"APP_KEY": "x" * (boot.LIMIT - 200)}
    assert len(boot.encoded(release(), fits)) < boot.USER_DATA_LIMIT
    with pytest.raises(PipelineError, match=r"come to 4\d+ bytes; the limit is 43008.* 65536 bytes") as refused:
        boot.encoded(release(APP_MESSAGE="x" * 400), fits)
    assert refused.value.hint.startswith("APP_KEY is the longest")


@for_all(st.dictionaries(names, values, max_size=3))
def test_an_expression_of_hcl_has_no_template_and_no_escape_of_json_alone(given: dict[str, str]) -> None:
    text = expression(given)
    assert not any(f"{mark}{{" in text.replace(f"{mark}{mark}{{", "") for mark in "$%")
    assert "\\b" not in text.replace("\\\\", "") and "\\f" not in text.replace("\\\\", "")


def test_the_settings_of_a_droplet_are_hidden_in_logs_also_as_they_are_sent() -> None:
    secret = {"APP_KEY": "a secret that is not shown"}
    sent = boot.variable({"v1": release()}, {"v1": secret})["TF_VAR_settings"].split('"')[3]
    assert sent == boot.encoded(release(), secret)
    assert redaction.hide(f'content: "{sent}QVBQ"') == 'content: "[hidden]QVBQ"'
