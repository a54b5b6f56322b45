"""Programs of runs that were killed: ended before the next run begins.

Whoever calls this holds the environment, so nobody else can be using them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from slipway.retries import polled
from slipway.runs import ledger

_GRACE = 60.0
"""Seconds that OpenTofu has to write its state after it was asked to stop: the provider's waits cannot be cut short."""
_HARD = 5.0


def end_processes(runs: Path, say: Callable[[str], None]) -> None:
    """End the tools of runs that were cut short, known by their environment; a Terraform is let write its state.

    Programs of a run that came to its end go on: somebody wanted them.
    """
    engines = dict(_left(runs, engine=True))
    for pid, name in engines.items():
        say(f"stopping {name} (process {pid}), which a run that died left behind")
    _signal(engines, signal.SIGINT)
    _wait(lambda: dict(_left(runs, engine=True)), _GRACE)
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal(dict(_left(runs)), number)
        _wait(lambda: dict(_left(runs)), _HARD)


def _left(runs: Path, *, engine: bool = False) -> Iterator[tuple[int, str]]:
    """Number and name of each process of runs in a folder that were cut short; of engines alone if so asked."""
    begins = f"{ledger.CONTINUED}={runs}/".encode()
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            environ = Path(entry.path, "environ").read_bytes().split(b"\0")
            words = Path(entry.path, "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it is over, or somebody else's
        run = next((each for each in environ if each.startswith(begins)), None)
        if run is None or not ledger.was_cut_short(Path(os.fsdecode(run.partition(b"=")[2]))):
            continue
        name = Path(os.fsdecode(words[0])).name
        if name and (not engine or name in {"tofu", "terraform"}):
            yield int(entry.name), name


def _signal(processes: dict[int, str], number: signal.Signals) -> None:
    for pid in processes:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def _wait(found: Callable[[], object], seconds: float) -> None:
    polled(lambda: not found(), seconds, 0.1)
