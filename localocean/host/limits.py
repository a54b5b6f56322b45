"""Limits of the kernel that twenty droplets exceed, because it counts all of them as one user's."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

# What a user may have at once. Each systemd takes several inotify instances (the kernel gives 128), and a key for
# each of its services (the kernel gives 200).
LEAST = {
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 524288,
    "kernel/keys/maxkeys": 20000,
    "kernel/keys/maxbytes": 2000000,
}


def lift(proc: Path = Path("/proc/sys")) -> None:
    """Raise what is lower; never lower anything. In a container that may not, droplets are fewer."""
    for name, least in LEAST.items():
        path = proc / name
        with suppress(OSError):
            if int(path.read_text()) < least:
                path.write_text(f"{least}\n")
