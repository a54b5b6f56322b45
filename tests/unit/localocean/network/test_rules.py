"""The rules for floating IPs."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

from localocean.network.rules import floating_rules
from tests.unit.localocean.settings import config


def test_a_change_of_the_map_of_floating_ips_is_one_transaction_about_what_changes(tmp_path: Path) -> None:
    ours = config(tmp_path)
    moved, stays = IPv4Address("198.18.8.1"), IPv4Address("198.18.8.2")
    two, three, four = (IPv4Address(f"198.18.0.{number}") for number in (2, 3, 4))
    assert floating_rules(ours, {moved: two, stays: three}, {moved: four, stays: three}).splitlines() == [
        "delete element inet localocean_lcloud0 floating { 198.18.8.1 }",
        "add element inet localocean_lcloud0 floating { 198.18.8.1 : 10.16.0.4 }",
        "delete element inet localocean_lcloud0 anchored { 10.16.0.2 }",
        "add element inet localocean_lcloud0 anchored { 10.16.0.4 : 198.18.8.1 }",
    ]
    assert floating_rules(ours, {stays: three}, {stays: three}) == ""
    assert floating_rules(ours, {stays: three}, {}).count("\n") == 2
