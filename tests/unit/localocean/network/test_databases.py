"""Who may enter a database, as rules of the firewall."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from localocean.network.databases import Entrance, Machine, ruleset, without
from tests.unit.localocean.settings import config


def test_trusted_sources_as_one_transaction(tmp_path: Path) -> None:
    database, web = (Machine(IPv4Address(f"198.18.0.{n}"), IPv4Address(f"10.124.0.{n}"), f"lc0v{n}") for n in (2, 3))
    networks = (IPv4Network("203.0.113.0/24"), IPv4Network("203.0.113.7"), IPv4Network("198.18.0.3"))
    said = ruleset(config(tmp_path, LOCALOCEAN_BRIDGE="own"), [Entrance(database, (web,), networks)])
    added = [line.removeprefix("add element ") for line in said.splitlines() if line.startswith("add element")]
    assert added == [
        "inet localocean_own databases { 198.18.0.2 }",
        "inet localocean_own trusted { 198.18.0.2 . 198.18.0.3/32, 198.18.0.2 . 203.0.113.0/24 }",
        'bridge localocean_own databases { "lc0v2" }',
        "bridge localocean_own trusted { 10.124.0.2 . 198.18.0.3/32, 10.124.0.2 . 203.0.113.0/24 }",
        'bridge localocean_own members { "lc0v3" . 10.124.0.2 }',
    ]
    assert said.count("flush set") == 5
    assert "add element" not in "".join(without(config(tmp_path, LOCALOCEAN_BRIDGE="own")))
