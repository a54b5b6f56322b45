"""Packages of the machine that this runs on: what is lacking is installed, or named with its command."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from slipway.errors import PipelineError
from slipway.tools.programs.environment import DOWNLOADS, compose
from slipway.tools.programs.process import call

# The lock's timeout is in seconds: another apt that runs just now is waited for.
_APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300")


def missing_packages(names: Sequence[str]) -> list[str]:
    """Those of the Debian packages that are not installed; raises PipelineError where there is no dpkg."""
    if shutil.which("dpkg-query") is None:
        raise PipelineError("This machine is neither Debian nor Ubuntu.", f"Install by hand: {' '.join(names)}")
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *names]
    installed = set(call(query, cwd=Path("/")).stdout.splitlines())
    return [name for name in names if f"{name} installed" not in installed]


def ensure_packages(names: Sequence[str], progress: Callable[[str], None]) -> None:
    """Install what is missing, as root or by sudo; raises PipelineError with the command when it cannot."""
    missing = missing_packages(names)
    if not missing:
        return
    by_hand = f"sudo apt-get install {' '.join(missing)}"
    become = _become_root(missing, by_hand)
    progress(f"installing {', '.join(missing)} …")
    install = [*become, *_APT, "install", "--yes", "--no-install-recommends", *missing]
    # The lists of a new machine are empty or old, so that a failed install is tried again after an update.
    steps = (install, [*become, *_APT, "update"], install)
    for step in steps:
        result = call(step, cwd=Path("/"), env=compose(DOWNLOADS))
        if step is install and result.returncode == 0:
            return
    raise PipelineError(f"apt could not install {', '.join(missing)}: {_last_line(result.stderr)}", by_hand)


def _become_root(missing: Sequence[str], by_hand: str) -> list[str]:
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        if call(["sudo", "-n", "true"], cwd=Path("/")).returncode == 0:
            return ["sudo", "-n"]
        if sys.stdin.isatty():
            return ["sudo"]
    raise PipelineError(f"Packages are missing, and it takes root to install them: {', '.join(missing)}.", by_hand)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it gave no reason"])[-1]
