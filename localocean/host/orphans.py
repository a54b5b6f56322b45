"""Commands that outlived the server that started them, as those of a killed one do.

A copy that goes on, or half of a bootstrap, would meet what the next server does in the same place. So every command
bears the mark of its owner, and one whose owner is dead is ended. Machines are no commands: they outlive their server.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from localocean.host.errors import HostError

OWNER = "LOCALOCEAN_OWNER"
END_TIMEOUT = 10.0


def mark() -> str:
    """What the commands of this process bear in their environment."""
    return _mark(os.getpid())


def end() -> None:
    """Kill all commands whose owner is dead, and wait until they are gone. Raises ``HostError``."""
    deadline = time.monotonic() + END_TIMEOUT
    while found := orphans():
        if time.monotonic() > deadline:
            raise HostError(f"The process {min(found)} of an earlier server does not end.", "Look what holds it up.")
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.01)


def end_within(root: Path) -> None:
    """Kill what has this directory as its root, as goes on when systemd-nspawn is killed. Raises ``HostError``."""
    deadline = time.monotonic() + END_TIMEOUT
    while found := [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/root") if _same(path, root)]:
        if time.monotonic() > deadline:
            raise HostError(f"The process {min(found)} in {root} does not end.", "Look what holds it up.")
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def orphans() -> set[int]:
    """The commands whose owner is dead; not those in a container, where the numbers of processes are others."""
    found, ours = set(), os.readlink("/proc/self/ns/pid")
    for path in Path("/proc").glob("[0-9]*/environ"):
        owner = _owner(path) if _namespace(path.parent) == ours else ""
        if owner and _started(owner.partition(":")[0]) != owner.partition(":")[2]:
            found.add(int(path.parent.name))
    return found


@cache
def _mark(pid: int) -> str:
    return f"{pid}:{_started(str(pid))}"


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _namespace(process: Path) -> str:
    try:
        return os.readlink(process / "ns/pid")
    except OSError:
        return ""


def _owner(environ: Path) -> str:
    try:
        variables = environ.read_bytes().split(b"\0")
    except OSError:
        return ""
    prefix = f"{OWNER}=".encode()
    return next((each[len(prefix) :].decode() for each in variables if each.startswith(prefix)), "")


def _started(pid: str) -> str:
    """When a process began, in ticks since boot: field 22 of ``/proc/PID/stat``; empty for one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
