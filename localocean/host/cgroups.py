"""Control groups: what a machine may use, and what belongs to it.

Three layouts are known: systemd as init (it makes a group per unit), the unified hierarchy without systemd, and the
older one with a hierarchy per controller ("hybrid"). A machine's processes are always found here, never remembered.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from localocean.host import trees
from localocean.host.errors import HostError

WANTED = ("name=systemd", "memory", "cpu", "pids")
PERIOD = 100_000
WEIGHT, SHARES = 100, 1024
"""Of a droplet, for each of its processors: what a process outside has, by the unified hierarchy's measure and by the
older one's. With less an app waits long beside busy processes."""


DEPTH = 64
"""How deep a machine may nest control groups. systemd and containers in containers take about a dozen."""

MOST = 4096
"""How many groups a machine may have, be it as large as it likes: removing them takes more than a millisecond each."""


def systemd_is_init() -> bool:
    """Whether this host's init is systemd, as sd_booted(3) tells."""
    return Path("/run/systemd/system").is_dir()


@dataclass(frozen=True)
class Hierarchy:
    """A mounted cgroup hierarchy; ``controllers`` is empty for the unified one, which has what its root says."""

    root: Path
    controllers: frozenset[str]


def hierarchies(mountinfo: str) -> list[Hierarchy]:
    """The hierarchies that matter to us, of the text of ``/proc/self/mountinfo``."""
    found: dict[Path, Hierarchy] = {}
    for line in mountinfo.splitlines():
        mount, _, source = line.partition(" - ")
        kind, options, root = source.split()[0], frozenset(source.split()[-1].split(",")), Path(mount.split()[4])
        if kind == "cgroup2":
            found[root] = Hierarchy(root, frozenset())
        elif kind == "cgroup" and options & set(WANTED):
            found[root] = Hierarchy(root, options & frozenset(WANTED))
    return list(found.values())


def mounted() -> list[Hierarchy]:
    """The hierarchies of this host. Raises ``HostError`` when there are none."""
    found = hierarchies(Path("/proc/self/mountinfo").read_text())
    if not found:
        raise HostError("This host has no control groups mounted.", "Mount cgroup2 on /sys/fs/cgroup.")
    return found


def groups(name: str) -> list[Path]:
    """The control groups that the machine ``name`` has or would have."""
    if systemd_is_init():
        return [hierarchy.root / "system.slice" / f"{name}.service" for hierarchy in mounted()]
    return [hierarchy.root / name for hierarchy in mounted()]


def names(prefix: str) -> set[str]:
    """The machines that have a control group, of those whose names begin with ``prefix``."""
    found = (path for group in groups(f"{prefix}*") for path in group.parent.glob(group.name))
    return {path.name.removesuffix(".service") for path in found}


def processes(name: str) -> set[int]:
    """Everything that runs in the groups of a machine, nested ones included."""
    return {pid for group in groups(name) for pid in _processes(group)}


def init(name: str) -> int | None:
    """The process that is the machine's process 1, if it lives."""
    return next((pid for pid in sorted(processes(name)) if _is_init(pid)), None)


def booted(init: int) -> bool:
    """Whether a machine's process 1 is its own init already, and not what prepares the machine for it."""
    try:
        return Path(f"/proc/{init}/comm").read_text().strip() != "systemd-nspawn"
    except OSError:
        return False


def kill(name: str) -> None:
    """Kill everything in the groups of a machine, once."""
    for pid in processes(name):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def limits(hierarchy: Hierarchy, memory_mb: int, vcpus: int, tasks: int) -> dict[str, str]:
    """What to write into which file of a machine's group in this hierarchy."""
    memory, quota = str(memory_mb << 20), vcpus * PERIOD
    if hierarchy.controllers:
        wanted = {
            "memory": {"memory.limit_in_bytes": memory},
            "cpu": {
                "cpu.cfs_period_us": str(PERIOD),
                "cpu.cfs_quota_us": str(quota),
                "cpu.shares": str(vcpus * SHARES),
            },
            "pids": {"pids.max": str(tasks)},
        }
        return {k: v for name, files in wanted.items() if name in hierarchy.controllers for k, v in files.items()}
    available = (hierarchy.root / "cgroup.controllers").read_text().split()
    unified = {
        "memory": {"memory.max": memory, "memory.swap.max": "0"},
        "cpu": {"cpu.max": f"{quota} {PERIOD}", "cpu.weight": str(vcpus * WEIGHT)},
        "pids": {"pids.max": str(tasks)},
    }
    given = {k: v for name, files in unified.items() if name in available for k, v in files.items()}
    return given | nesting(tasks)


def nesting(tasks: int) -> dict[str, str]:
    """How many groups there may be in a machine's, and how deep; the unified hierarchy alone can limit that."""
    return {"cgroup.max.descendants": str(min(tasks, MOST)), "cgroup.max.depth": str(DEPTH)}


def delegate() -> None:
    """Let the unified hierarchy's controllers be used below its root.

    The root of a container's hierarchy is an ordinary group, which may not have both controllers and processes; its
    processes then move into a group of their own, as they do wherever containers are nested.
    """
    for hierarchy in mounted():
        if not hierarchy.controllers:
            available = (hierarchy.root / "cgroup.controllers").read_text().split()
            wanted = " ".join(f"+{name}" for name in ("cpu", "memory", "pids") if name in available)
            try:
                _enable(hierarchy.root, wanted)
            except OSError as error:
                raise HostError(
                    f"The control groups in {hierarchy.root} cannot be used: {error.strerror}.",
                    "Run in a container with --privileged, or directly on the host.",
                ) from None


def _enable(root: Path, wanted: str) -> None:
    control = root / "cgroup.subtree_control"
    try:
        control.write_text(wanted)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        leaf = root / "init"
        leaf.mkdir(exist_ok=True)
        for pid in (root / "cgroup.procs").read_text().split():
            try:
                (leaf / "cgroup.procs").write_text(pid)
            except OSError:
                continue
        control.write_text(wanted)


def remove(name: str) -> None:
    """Remove the groups of a machine that has ended, with all that it nested in them."""
    for group in groups(name):
        with suppress(OSError):
            for entry in trees.below(group):
                if entry.is_folder:
                    with suppress(OSError):
                        os.rmdir(entry.name, dir_fd=entry.folder)
            os.rmdir(group)


def _processes(group: Path) -> Iterator[int]:
    with suppress(OSError):
        for entry in trees.below(group):
            if entry.name == "cgroup.procs":
                with suppress(OSError):
                    yield from map(int, _content(entry).split())


def _content(entry: trees.Entry) -> str:
    with open(os.open(entry.name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=entry.folder)) as file:
        return file.read()


def _is_init(pid: int) -> bool:
    """Process 1 of a namespace right below ours; what a droplet nests has more numbers."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return len(numbers) == 2 and numbers[1] == "1"
