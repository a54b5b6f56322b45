"""Where secrets left a trace: searched in files as they lie on disk, in journals, in archives and on command lines."""

from __future__ import annotations

import base64
import gzip
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from tests.support import AS_ROOT, Repeating


@dataclass(frozen=True, order=True)
class Trace:
    """One secret in one file, whose mode and owner say who can read it."""

    path: str
    secret: str
    mode: int
    owner: int


class Secrets:
    """Marked secrets by name, in all the spellings in which they may have been written."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._names = {form: name for name, value in values.items() for form in _forms(value)}

    def names_in(self, text: str) -> set[str]:
        """The secrets that stand in a text."""
        return {name for form, name in self._names.items() if form in text}

    def search(self, folder: Path, *, beside: Sequence[str] = ()) -> Iterator[Trace]:
        """Every trace in the files under a folder, on its own file system, but in folders of the names `beside`."""
        with tempfile.TemporaryDirectory(prefix="patterns-", dir="/var/tmp") as place:
            patterns = Path(place) / "patterns"
            patterns.touch(mode=0o600)
            patterns.write_text("".join(f"{form}\n" for form in self._names))
            skipped = [word for name in beside for word in ("-name", name, "-prune", "-o")]
            search = ["-xdev", *skipped, "-type", "f", "-exec", "grep", "-aoHZF", "-f", str(patterns), "{}", "+"]
            output = _output("find", str(folder), *search)
        found = {tuple(line.split("\0", 1)) for line in output.splitlines() if "\0" in line}
        yield from (self._trace(path, self._names[form]) for path, form in sorted(found))
        yield from self._packed(folder, beside)

    def _packed(self, folder: Path, beside: Sequence[str]) -> Iterator[Trace]:
        """What is compressed: archives, and journals, which keep long lines so."""
        for path in _output("find", str(folder), "-xdev", "-name", "*.gz", "-type", "f").splitlines():
            if not set(Path(path).parts) & set(beside):
                data = subprocess.run([*AS_ROOT, "cat", path], capture_output=True, check=True).stdout
                yield from (self._trace(path, name) for name in self.names_in(_unpacked(data)))
        for path in _output("find", str(folder), "-xdev", "-name", "*.journal").splitlines():
            lines = _output("journalctl", f"--file={path}", "--output=export", "--no-pager")
            yield from (self._trace(path, name) for name in self.names_in(lines))

    def _trace(self, path: str, name: str) -> Trace:
        mode, owner = _output("stat", "--format=%a %u", path).split()
        return Trace(path, name, int(mode, 8), int(owner))


def _forms(value: str) -> set[str]:
    """As it stands, in a URL, and in base64 wherever it begins in what was encoded."""
    encoded = {base64.b64encode(b"\0" * n + value.encode()).decode()[4 if n else 0 : -4] for n in range(3)}
    return {value, quote(value, safe="")} | {form for form in encoded if len(form) >= 12}


def _unpacked(data: bytes) -> str:
    try:
        return gzip.decompress(data).decode(errors="replace")
    except (OSError, EOFError):
        return ""


def _output(*command: str) -> str:
    result = subprocess.run([*AS_ROOT, *command], capture_output=True, check=False)
    return result.stdout.decode(errors="surrogateescape")


@dataclass
class CommandLines(Repeating):
    """Everything that stood on a command line of this machine, its droplets included, while it is open."""

    interval: ClassVar[float] = 0.02
    secrets: Secrets
    seen: set[str] = field(default_factory=set)
    looks: int = 0

    def once(self) -> None:
        """One look at every process."""
        for entry in os.scandir("/proc"):
            if entry.name.isdecimal():
                self._look(Path(entry.path))
        self.looks += 1

    def _look(self, process: Path) -> None:
        try:
            line = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            return
        if names := self.secrets.names_in(line):
            self.seen.add(f"{', '.join(sorted(names))} in {re.split(chr(0), line)[0]}")
