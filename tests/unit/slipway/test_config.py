"""Environments and clouds."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.config import Cloud, choose_cloud, choose_environment
from slipway.errors import PipelineError

ROOT = Path(__file__).parents[3]
LOCAL = Cloud("local", "http://127.0.0.1:1", "secret")


def local() -> Cloud:
    return LOCAL


def digitalocean_only() -> Cloud:
    raise AssertionError("the local cloud was started")


def test_the_environment_follows_from_the_token() -> None:
    assert choose_environment(ROOT, {}, None) == "local"
    assert choose_environment(ROOT, {"DIGITALOCEAN_TOKEN": "x"}, None) == "production"
    assert choose_environment(ROOT, {"DIGITALOCEAN_TOKEN": "x"}, "local") == "local"


def test_exports_of_the_local_cloud_still_mean_the_local_cloud() -> None:
    environ = {"DIGITALOCEAN_TOKEN": "x", "DIGITALOCEAN_API_URL": "http://127.0.0.1:8484"}
    assert choose_environment(ROOT, environ, None) == "local"


@pytest.mark.parametrize("name", ["staging", "../local", "Local", ""])
def test_an_unknown_environment_is_refused_and_the_known_are_named(name: str) -> None:
    with pytest.raises(PipelineError, match="local, production"):
        choose_environment(ROOT, {"DIGITALOCEAN_TOKEN": "x"}, name)


def test_local_environments_live_on_the_local_cloud() -> None:
    assert choose_cloud("local", {"DIGITALOCEAN_TOKEN": "x"}, local) == LOCAL
    assert choose_cloud("local-rehearsal", {}, local) == LOCAL


def test_others_need_a_token() -> None:
    with pytest.raises(PipelineError, match="DIGITALOCEAN_TOKEN is not set"):
        choose_cloud("production", {}, digitalocean_only)
    cloud = choose_cloud("production", {"DIGITALOCEAN_TOKEN": "x"}, digitalocean_only)
    assert cloud.environment == {
        "DIGITALOCEAN_API_URL": "https://api.digitalocean.com",
        "DIGITALOCEAN_END_POINT": "https://api.digitalocean.com/v2/",
        "DIGITALOCEAN_TOKEN": "x",
        "DIGITALOCEAN_ACCESS_TOKEN": "x",
    }


@pytest.mark.parametrize("token", ["two words", "dop_v1_x\n", " x", "caf\udce9", "é", "\t"])
def test_a_token_that_no_header_can_hold_is_refused_without_its_value(token: str) -> None:
    with pytest.raises(PipelineError, match="^DIGITALOCEAN_TOKEN has a blank, the end of a line or another") as error:
        choose_cloud("production", {"DIGITALOCEAN_TOKEN": token}, digitalocean_only)
    assert token not in error.value.message.replace(" ", "") + error.value.hint.replace(" ", "")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("api.digitalocean.com", "not the address of an API"),
        ("https://", "not the address of an API"),
        ("https://[::1", "not the address of an API"),
        ("ftp://api.digitalocean.com", "not the address of an API"),
        ("https://api.digitalocean.com/v2/", "not the address of an API"),
        ("https://api.digitalocean.com\n", "not the address of an API"),
        ("https://api.digit\u0430locean.com", "not the address of an API"),
        ("http://api.digitalocean.com", "would get the token unencrypted"),
    ],
)
def test_an_address_that_is_none_is_refused(url: str, says: str) -> None:
    environ = {"DIGITALOCEAN_TOKEN": "x", "DIGITALOCEAN_API_URL": url}
    assert choose_environment(ROOT, environ, None) == "production"
    with pytest.raises(PipelineError, match=says) as error:
        choose_cloud("production", environ, digitalocean_only)
    assert error.value.hint


def test_an_empty_address_is_none() -> None:
    cloud = choose_cloud("production", {"DIGITALOCEAN_TOKEN": "x", "DIGITALOCEAN_API_URL": ""}, digitalocean_only)
    assert cloud.endpoint == "https://api.digitalocean.com"
