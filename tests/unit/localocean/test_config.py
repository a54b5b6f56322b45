"""The settings of a cloud: derived, kept, refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from localocean.config import Config, ConfigError
from tests.unit.localocean.settings import config


def test_settings_derive_everything(tmp_path: Path) -> None:
    ours = config(tmp_path, LOCALOCEAN_RANGE="198.18.0.0/24", LOCALOCEAN_BRIDGE="b" * 12)
    assert str(ours.gateway) == "198.18.0.1"
    assert str(next(ours.public_addresses())) == "198.18.0.2"
    assert str(next(ours.floating_addresses())) == "198.18.0.129"
    assert all(len(name) <= 15 for name in (ours.vpc_bridge, *ours.interfaces(999_999_999)))


@pytest.mark.parametrize(
    "settings",
    [
        {"LOCALOCEAN_PORT": "0"},
        {"LOCALOCEAN_PORT": "http"},
        {"LOCALOCEAN_BRIDGE": "much_too_long_"},
        {"LOCALOCEAN_BRIDGE": "no spaces"},
        {"LOCALOCEAN_RANGE": "198.18.0.1/20"},
        {"LOCALOCEAN_RANGE": "198.18.0.0/30"},
        {"LOCALOCEAN_RANGE": "10.124.0.0/16"},
        {"LOCALOCEAN_CACHE": "relative"},
    ],
)
def test_unusable_settings_are_refused(tmp_path: Path, settings: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        config(tmp_path, **settings)


def test_a_cloud_keeps_its_settings(tmp_path: Path) -> None:
    config(tmp_path, LOCALOCEAN_PORT="9000").save()
    assert config(tmp_path).port == 9000
    assert config(tmp_path, LOCALOCEAN_PORT="9000").port == 9000
    with pytest.raises(ConfigError, match="LOCALOCEAN_PORT=9001 contradicts .* 9000"):
        config(tmp_path, LOCALOCEAN_PORT="9001")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        config(tmp_path)


def test_a_droplets_anchor_address_says_which_it_is(tmp_path: Path) -> None:
    for settings in ({}, {"LOCALOCEAN_RANGE": "198.19.240.0/20"}, {"LOCALOCEAN_RANGE": "192.168.4.0/24"}):
        ours = config(tmp_path, **settings)
        for public in (ours.public_network[2], ours.public_network[-2]):
            anchor = ours.anchor_address(public)
            assert anchor in ours.anchor_network and ours.anchored(anchor) == public
    with pytest.raises(ConfigError, match="anchor addresses"):
        config(tmp_path, LOCALOCEAN_VPC_RANGE="10.17.0.0/20")


@pytest.mark.parametrize("value", ["10.0.0.0/33", "10.0.0.1/8", "host", "10.0.0.0/8;192.0.2.1"])
def test_networks_that_are_none_are_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="LOCALOCEAN_REACHABLE"):
        config(tmp_path, LOCALOCEAN_REACHABLE=value)


def test_networks_that_droplets_may_reach_are_kept(tmp_path: Path) -> None:
    asked = config(tmp_path, LOCALOCEAN_REACHABLE="10.1.2.0/24,192.168.7.9,10.1.2.7")
    asked.save()
    kept = Config.from_environment({"LOCALOCEAN_STATE": str(tmp_path)}).reachable
    assert str(kept) == "10.1.2.0/24,192.168.7.9/32" and kept == asked.reachable
    assert str(config(tmp_path / "other").reachable) == ""
