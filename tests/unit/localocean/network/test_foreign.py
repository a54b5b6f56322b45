"""What belongs to others on this host is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from localocean.host.errors import HostError
from localocean.network import check_ranges, foreign
from tests.unit.localocean.settings import config


def test_a_range_that_others_use_is_refused(tmp_path: Path) -> None:
    def interface(name: str, address: str) -> list[dict[str, object]]:
        return [{"ifname": name, "addr_info": [{"local": address, "prefixlen": 16}]}]

    check_ranges(config(tmp_path), interface("lcloud0", "198.18.0.1"))
    check_ranges(config(tmp_path), interface("eth0", "192.168.1.2"))
    with pytest.raises(HostError, match="tun0 uses 10.124.0.0/16"):
        check_ranges(config(tmp_path), interface("tun0", "10.124.7.1"))


@pytest.mark.parametrize("there", [False, True])
def test_beside_another_firewall_the_rules_are_put_right_in_one_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    changes = []

    def run(argv: list[str], *, input: str = "") -> str:
        if "-C" not in argv:
            changes.append((argv[0], input.splitlines()))
        elif not there:
            raise HostError("Bad rule (does a matching rule exist in that chain?).")
        return ""

    monkeypatch.setattr("shutil.which", lambda name: name)
    monkeypatch.setattr(foreign, "run", run)
    foreign.accept(ours := config(tmp_path))
    rules = [" ".join(rule) for rule in foreign.rules(ours)]
    removed = [f"-D FORWARD {rule}" for rule in rules if there]
    put = [f"-I FORWARD {rule}" for rule in rules]
    assert changes == [("iptables-restore", ["*filter", *removed, *put, "COMMIT"])]
