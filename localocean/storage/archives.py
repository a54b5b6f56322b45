"""Where Debian comes from: the host's own package sources, as far as they are Debian's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SUITE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True)
class Archive:
    """One place that packages come from: ``deb URI SUITE main``."""

    uri: str
    suite: str

    def line(self) -> str:
        """The entry as apt's one-line format has it."""
        return f"deb [signed-by={KEYRING}] {self.uri} {self.suite} main"


def archives(apt: Path = Path("/etc/apt")) -> list[Archive]:
    """Debian's archives as this host names them, for our suite; empty when the host is not a Debian.

    Sources of others are left out: what they sign, or miss, must not end up in a base image.
    """
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    found: dict[Archive, None] = {}
    for file in files:
        if file.suffix in (".list", ".sources") and file.is_file():
            for uris, suites, components, signed_by in _entries(file):
                if "main" in components and (not signed_by or "debian-archive" in signed_by):
                    found |= dict.fromkeys(_debian(uris, suites))
    return list(found)


def _debian(uris: Iterable[str], suites: Iterable[str]) -> Iterator[Archive]:
    for uri in uris:
        for suite in suites:
            part = re.fullmatch(r"[a-z]+(-updates|-security|)", suite)
            if part and re.search(r"/debian(-security)?/?$", uri):
                yield Archive(uri, f"{SUITE}{part[1]}")


def _entries(file: Path) -> Iterator[tuple[list[str], list[str], list[str], str]]:
    lines = [line for line in file.read_text(errors="replace").splitlines() if not line.lstrip().startswith("#")]
    if file.suffix == ".list":
        yield from (entry for line in lines if (entry := _one_line(line)))
    else:
        for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
            found = re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.M)
            fields = {key.lower(): value for key, value in found}
            if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").strip() != "no":
                names = ("uris", "suites", "components")
                uris, suites, components = (fields.get(name, "").split() for name in names)
                yield uris, suites, components, fields.get("signed-by", "")


def _one_line(line: str) -> tuple[list[str], list[str], list[str], str] | None:
    entry = re.match(r"\s*deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)\s+(.+)", line)
    if not entry:
        return None
    signed_by = re.search(r"signed-by=(\S+)", entry[1] or "")
    return [entry[2]], [entry[3]], entry[4].split(), signed_by[1] if signed_by else ""
