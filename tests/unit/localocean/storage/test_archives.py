"""Where a base image's packages come from: the host's own archives, as far as they are Debian's."""

from __future__ import annotations

from pathlib import Path

from localocean.storage.archives import Archive, archives


def sources(tmp_path: Path, name: str, text: str) -> list[Archive]:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return archives(tmp_path)


def test_archives_of_a_debian_host(tmp_path: Path) -> None:
    text = """\
Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""
    found = sources(tmp_path, "sources.list.d/debian.sources", text)
    assert found == [
        Archive("http://mirror.example/debian", "bookworm"),
        Archive("http://mirror.example/debian", "bookworm-updates"),
    ]


def test_archives_of_another_debian_and_of_third_parties(tmp_path: Path) -> None:
    text = """\
deb http://mirror.example/debian/ trixie main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://s.example/debian-security trixie-security main
deb [signed-by=/usr/share/keyrings/vendor.gpg] http://vendor.example/debian bookworm main
deb http://vendor.example/tool bookworm main
deb-src http://mirror.example/debian trixie main
"""
    assert sources(tmp_path, "sources.list", text) == [
        Archive("http://mirror.example/debian/", "bookworm"),
        Archive("http://s.example/debian-security", "bookworm-security"),
    ]


def test_a_host_of_another_distribution_has_no_archives_for_us(tmp_path: Path) -> None:
    assert sources(tmp_path, "sources.list", "deb http://archive.example/ubuntu noble main universe\n") == []
