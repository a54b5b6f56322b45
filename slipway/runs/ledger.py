"""The ledger: what every run did, step by step, written down as it happens and never changed afterwards.

A run is a file of JSON lines in the environment's `runs/`, each line on the disk before the next step begins. When it
is over the file is put under a ref of its own in git, where a team shares it (docs/decisions/0011).
"""

from __future__ import annotations

import json
import os
import re
import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slipway.errors import PipelineError
from slipway.names import Names
from slipway.project import Project
from slipway.redaction import hide
from slipway.runs.account_lock import is_running, place
from slipway.tools.git.refs import GitRefStore

CONTINUED = "SLIPWAY_RUN"
"""The variable by which the verbs that Terraform's graph calls know whose steps theirs are."""


_FACTS = {"event", "at", "run", "environment", "cloud", "who", "host", "pid", "place", "commit", "live", "outcome"}
"""What the pipeline itself says of a run, by which it is found again: no text of others, and no secret."""


class Run:
    """A run that is being written down. It listens to the progress of the run, and hides what looks like a secret.

    A disk that is full, or a file that is gone, does not stop a release: what cannot be written is lost, and `broken`
    says why.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.broken = ""
        self._lock = threading.Lock()

    @classmethod
    def begin(cls, folder: Path, facts: Mapping[str, Any]) -> Run:
        """Begin a new file in a folder; raises OSError when that is not possible."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        # Nobody finds it before it says whose it is.
        coming = cls(folder / f"{id}.new")
        os.close(os.open(coming.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        coming._append({"event": "begins", "at": now(), "run": id, **facts})
        return cls(coming.path.rename(folder / f"{id}.jsonl"))

    @property
    def id(self) -> str:
        """The run's name: when it began, and something that makes it the only one."""
        return self.path.stem

    def write(self, event: str, **facts: Any) -> None:
        """Add a line, as far as the disk allows."""
        try:
            self._append({"event": event, "at": now(), "pid": os.getpid(), **facts})
        except OSError as error:
            self.broken = self.broken or str(error.strerror)

    def began(self, title: str) -> None:
        """A step of the run begins."""
        self.write("step begins", step=title)

    def ended(self, title: str, seconds: float, *, ok: bool) -> None:
        """A step of the run is over."""
        self.write("step ends", step=title, seconds=round(seconds, 3), outcome="succeeded" if ok else "failed")

    def warned(self, text: str) -> None:
        """Something that a person was told."""
        self.write("warning", text=text)

    def _append(self, line: Mapping[str, Any]) -> None:
        kept = {name: value if name in _FACTS else _hidden(value) for name, value in line.items()}
        text = json.dumps(kept, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
        with self._lock:
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(file, text)
                os.fsync(file)
            finally:
                os.close(file)


class Ledger:
    """All runs of an environment: those of this checkout, and those that others have shared."""

    def __init__(self, folder: Path, root: Path, names: Names, remote: str = "") -> None:
        self.folder = folder
        self._remote = remote
        self._shelf = GitRefStore(root, names.ledger)

    @classmethod
    def of(cls, project: Project, environment: str) -> Ledger:
        """The ledger of an environment of a checkout."""
        names = Names(project.name, environment)
        return cls(project.work / environment / "runs", project.root, names, project.ledger.remote)

    def close_dead(self) -> list[Run]:
        """Say of runs without an end whose process is gone that they died."""
        dead = []
        for path in self._unkept():
            text = path.read_text(errors="replace")
            if _is_over(text) or _lives(text):
                continue
            if text and not text.endswith("\n"):
                with path.open("a") as file:
                    file.write("\n")  # it died in the middle of a line
            run = Run(path)
            run.write("ends", outcome="died")
            dead.append(run)
        return dead

    def keep(self, author: str) -> None:
        """Put every run that is over under the ledger's ref, and share it where a remote is set.

        Raises PipelineError when git refuses; the files stay, and the next run tries again.
        """
        files = {path.name: path.read_text(errors="replace") for path in self._unkept()}
        over = {name: text for name, text in files.items() if _is_over(text)}
        if over:
            self._shelf.add(over, f"Run {', '.join(Path(name).stem for name in over)}", author)
        if self._remote:
            self._shelf.share(self._remote)

    def fetch(self) -> None:
        """Take what others have shared, where a remote is set; raises PipelineError when it cannot be reached."""
        if self._remote:
            self._shelf.fetch(self._remote)

    def _unkept(self) -> list[Path]:
        kept = set(self._shelf.names())
        return sorted(path for path in self.folder.glob("*.jsonl") if path.name not in kept)

    def runs(self) -> list[str]:
        """The ids of all runs, the oldest first."""
        local = {path.name for path in self.folder.glob("*.jsonl")}
        return sorted(name.removesuffix(".jsonl") for name in local | set(self._shelf.names()))

    def text(self, run: str) -> str:
        """What was written of a run; raises PipelineError for one that is not known."""
        path = self.folder / f"{run}.jsonl"
        if run in self.runs():
            return path.read_text(errors="replace") if path.exists() else self._shelf.read(path.name)
        raise PipelineError(f"There is no run {run}.", "./invoke report --list shows them.")


def _hidden(value: Any) -> Any:
    """Data without the secrets that are in its texts, the names of its entries among them."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):
        return {hide(str(name)): _hidden(each) for name, each in value.items()}
    return [_hidden(each) for each in value] if isinstance(value, (list, tuple)) else value


def _is_over(text: str) -> bool:
    return '{"event": "ends"' in text  # which no line has within a value: quotes are escaped there


def was_cut_short(path: Path) -> bool:
    """Whether the run of a file died or was interrupted; of a file that is gone nothing is known."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return False
    if _is_over(text):
        return re.search(r'"outcome": "(died|interrupted)"', text.splitlines()[-1]) is not None
    return not _lives(text)


def _lives(text: str) -> bool:
    """Whether the process that began a run is still there, on this boot of this machine."""
    try:
        begins = json.loads(text.partition("\n")[0])
        return begins["place"] == place() and is_running(int(begins["pid"]))
    except (ValueError, KeyError, TypeError):
        return False


def continued(environ: Mapping[str, str]) -> list[Run]:
    """The run that started this program, if one did: the steps here are its steps too."""
    path = environ.get(CONTINUED)
    return [Run(Path(path))] if path else []


def now() -> str:
    """The time as the ledger has it: RFC 3339 in UTC, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
