"""What a machine shows of its size in /proc: its memory and its processors, where the kernel would tell the host's.

    <state>/machines/<droplet id>.proc/{meminfo,cpuinfo,swaps}

The directory is mounted in the machine, where a unit of the base image lays the files over the kernel's own. The
figures of memory are those of the machine's control group; the server writes them anew every second.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from localocean.host import cgroups

INSIDE = "/run/localocean/proc"
SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


def processors(droplet_id: int, vcpus: int, all: Sequence[int]) -> list[int]:
    """The host's processors that a machine may use: as many as its size has, others for the next machine."""
    first = droplet_id * vcpus % len(all)
    return sorted(all[(first + each) % len(all)] for each in range(min(vcpus, len(all))))


def own_processors() -> list[int]:
    """The processors that this process may use."""
    return sorted(os.sched_getaffinity(0))


def write(folder: Path, memory_mb: int, allowed: Sequence[int]) -> None:
    """Write the files of a machine that is about to start; whoever is in it may read them."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder.chmod(0o755)
    files = {
        "meminfo": meminfo(memory_mb, {}),
        "cpuinfo": cpuinfo(Path("/proc/cpuinfo").read_text(), allowed),
        "swaps": SWAPS,
    }
    for name, content in files.items():
        (folder / name).write_text(content)
        (folder / name).chmod(0o644)


def tell_memory(folder: Path, name: str, memory_mb: int) -> None:
    """Write how much memory the machine ``name`` uses now, in place, since the file is mounted there."""
    with suppress(OSError), (folder / "meminfo").open("r+b", buffering=0) as file:
        file.write(meminfo(memory_mb, usage(name)).encode())


def total_mb(folder: Path) -> int:
    """The memory that a machine's files say it has; 0 when there are none."""
    with suppress(OSError):
        found = re.match(r"MemTotal:\s+(\d+) kB", (folder / "meminfo").read_text())
        return int(found[1]) >> 10 if found else 0
    return 0


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def meminfo(memory_mb: int, used: Mapping[str, int]) -> str:
    """The text of /proc/meminfo, always equally long; ``used`` is in bytes."""
    total = memory_mb << 10
    taken = min(used.get("usage", 0) >> 10, total)
    file, shmem, slab = (used.get(name, 0) >> 10 for name in ("file", "shmem", "slab"))
    cached = max(0, min(file, taken))
    values = {
        "MemTotal": total,
        "MemFree": total - taken,
        "MemAvailable": min(total, total - taken + max(0, cached - shmem)),
        "Buffers": 0,
        "Cached": cached,
        "SwapCached": 0,
        "Active": used.get("active", 0) >> 10,
        "Inactive": used.get("inactive", 0) >> 10,
        "SwapTotal": 0,
        "SwapFree": 0,
        "Dirty": used.get("dirty", 0) >> 10,
        "AnonPages": used.get("anon", 0) >> 10,
        "Shmem": shmem,
        "Slab": slab,
        "SReclaimable": 0,
        "SUnreclaim": slab,
        "CommitLimit": total,
    }
    return "".join(f"{f'{name}:':<15}{value:>10} kB\n" for name, value in values.items())


def usage(name: str) -> dict[str, int]:
    """What a machine's control group says of its memory, in bytes; nothing where nobody counts."""
    for group in cgroups.groups(name):
        stat = _numbers(group / "memory.stat")
        if (group / "memory.usage_in_bytes").exists():
            return _older(stat) | {"usage": _number(group / "memory.usage_in_bytes")}
        if (group / "memory.current").exists():
            return _newer(stat) | {"usage": _number(group / "memory.current")}
    return {}


def _newer(stat: Mapping[str, int]) -> dict[str, int]:
    parts: dict[str, tuple[str, ...]]
    parts = {"file": ("file",), "shmem": ("shmem",), "anon": ("anon",), "slab": ("slab",), "dirty": ("file_dirty",)}
    parts |= {kind: (f"{kind}_anon", f"{kind}_file") for kind in ("active", "inactive")}
    return {name: sum(stat.get(each, 0) for each in names) for name, names in parts.items()}


def _older(stat: Mapping[str, int]) -> dict[str, int]:
    parts: dict[str, tuple[str, ...]]
    parts = {"file": ("total_cache",), "shmem": ("total_shmem",), "anon": ("total_rss",), "dirty": ("total_dirty",)}
    parts |= {kind: (f"total_{kind}_anon", f"total_{kind}_file") for kind in ("active", "inactive")}
    return {name: sum(stat.get(each, 0) for each in names) for name, names in parts.items()}


def cpuinfo(text: str, allowed: Sequence[int]) -> str:
    """The text of /proc/cpuinfo with some of its processors, numbered from 0; all where it is written otherwise."""
    blocks = [block for block in text.split("\n\n") if block.strip()]
    found = {match[1]: block for block in blocks if (match := re.match(r"processor\s*: (\d+)$", block, re.MULTILINE))}
    chosen = [found[str(number)] for number in allowed if str(number) in found]
    if len(chosen) != len(allowed):
        return text
    count = f"\\g<1>{len(chosen)}"
    renumbered = [re.sub(r"^(processor\s*: )\d+", rf"\g<1>{new}", block) for new, block in enumerate(chosen)]
    told = [re.sub(r"^((?:siblings|cpu cores)\s*: )\d+", count, block, flags=re.MULTILINE) for block in renumbered]
    return "".join(f"{block.strip(chr(10))}\n\n" for block in told)


def _numbers(path: Path) -> dict[str, int]:
    with suppress(OSError):
        pairs = (line.split() for line in path.read_text().splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}
    return {}


def _number(path: Path) -> int:
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return 0
