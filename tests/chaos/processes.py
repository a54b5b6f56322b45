"""The processes of one call of `./invoke`, found by a mark in their environment, whoever is their parent by now."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

MARK = "SLIPWAY_CHAOS"
_PATIENCE = 3.0
"""Seconds that a process which is about to begin is waited for."""


class Nothing(Exception):
    """What a failure strikes is not there."""


def _named(*names: str) -> Callable[[list[str]], bool]:
    return lambda words: any(Path(words[0]).name.startswith(name) for name in names)


_KINDS: Mapping[str, Callable[[list[str]], bool]] = {
    "tofu": _named("tofu"),
    "provider": _named("terraform-provider"),
    "packer": lambda words: Path(words[0]).name == "packer" and "build" in words,
    "plugin": _named("packer-plugin"),
    "verification": lambda words: "pytest" in words or "verify" in words or "migrate" in words,
    "all": lambda words: True,
}


class Processes:
    """All processes with one mark, save the local cloud and its machines, which a call of `./invoke` may have begun."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.first = 0
        """The number of the call itself."""

    def all(self) -> Iterator[tuple[int, list[str]]]:
        """Numbers and command lines."""
        wanted = f"{MARK}={self.mark}".encode()
        for entry in os.scandir("/proc"):
            if not entry.name.isdecimal():
                continue
            try:
                marked = wanted in Path(entry.path, "environ").read_bytes().split(b"\0")
                words = Path(entry.path, "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if marked and words[0] and not _of_the_cloud(words):
                yield int(entry.name), words

    def find(self, kind: str) -> list[int]:
        """The numbers of those of a kind."""
        if kind == "invoke":
            return [pid for pid, _ in self.all() if pid == self.first]
        return [pid for pid, words in self.all() if _KINDS[kind](words)]

    def kill(self, kind: str, number: signal.Signals) -> None:
        """Send a signal to those of a kind, as soon as there are any; raises Nothing when there are none."""
        deadline = time.monotonic() + _PATIENCE
        while not (found := self.find(kind)):
            if time.monotonic() > deadline or not self.find("invoke"):
                raise Nothing(f"no process of {kind}")
            time.sleep(0.05)
        for pid in found:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def _of_the_cloud(words: list[str]) -> bool:
    return "localocean" in words or any("systemd-nspawn" in word or "keeper.sh" in word for word in words)
