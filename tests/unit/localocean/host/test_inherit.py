"""What a droplet inherits of its host."""

from __future__ import annotations

from pathlib import Path

import pytest

from localocean.host import inherit
from localocean.host.run import ENVIRONMENT
from localocean.network import outside


def test_name_servers_that_only_the_host_reaches_are_passed_over(tmp_path: Path) -> None:
    stub, real = tmp_path / "stub", tmp_path / "real"
    stub.write_text("nameserver 127.0.0.53\noptions edns0\n")
    real.write_text("nameserver 192.0.2.53\nnameserver 2001:db8::53\n")
    assert inherit.nameservers([stub, tmp_path / "none", real]) == ["192.0.2.53", "2001:db8::53"]
    assert inherit.nameservers([stub]) == []


def test_archives_are_known_whose_lists_were_never_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = tmp_path / "sources.list"
    sources.write_text("deb http://192.0.2.7:3142/debian bookworm main\n")
    own = tmp_path / "apt.conf"
    own.write_text(f'Dir::Etc::SourceList "{sources}"; Dir::Etc::SourceParts "/dev/null";')
    monkeypatch.setitem(ENVIRONMENT, "APT_CONFIG", str(own))
    assert outside.endpoints(inherit.archive_urls()) == {("192.0.2.7", 3142)}
