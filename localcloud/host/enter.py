"""Entering a droplet from its host, as its root: without network, without a key."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from localcloud.host import cgroups
from localcloud.host.errors import HostError

NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--user", "--root")
ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LOGNAME": "root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SHELL": "/bin/bash",
    "USER": "root",
}


def command(unit: str, words: Sequence[str]) -> list[str]:
    """The command that runs ``words``, or a login shell, inside the machine ``unit``.

    It counts against the host's limits, not the droplet's. Raises ``HostError`` when the machine does not run.
    """
    init = cgroups.init(unit)
    if init is None:
        raise HostError("The droplet is not running.", "See its console: localcloud console DROPLET")
    settings = [f"{name}={value}" for name, value in (ENVIRONMENT | {"TERM": os.environ.get("TERM", "dumb")}).items()]
    inside = [
        "env",
        "--ignore-environment",
        "--chdir=/root",
        *settings,
        *(words or ["bash", "-c", login(os.isatty(0))]),
    ]
    return [*_on_its_processors(init), "nsenter", f"--target={init}", *NAMESPACES, "--", *inside]


def _on_its_processors(init: int) -> list[str]:
    """What makes a command run on the processors of the machine alone."""
    try:
        allowed = sorted(os.sched_getaffinity(init))
    except ProcessLookupError:
        return []
    return ["taskset", "--cpu-list", ",".join(map(str, allowed))]


def login(terminal: bool) -> str:
    """The script of a login shell; a new terminal does not know its size yet."""
    if not terminal:
        return "exec bash --login"
    columns, rows = os.get_terminal_size(0)
    return shlex.join(["stty", "rows", str(rows), "columns", str(columns)]) + "; exec bash --login"
