"""The programs that this process has started: none outlives it when it is told to stop.

Each is the leader of a process group, so that its compilers, plugins and shells end with it. Programs that may ask for
something at the terminal stay in this process's group, or the kernel would stop them; their descendants are looked up.
A program that ended well may leave a daemon behind: it goes on, because somebody wanted it.
"""

from __future__ import annotations

import _thread
import contextlib
import math
import os
import signal
import subprocess
import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from slipway.errors import PipelineError
from slipway.retries import polled
from slipway.tools.programs.environment import compose

PATIENCE_S = 5.0
"""Time that a program gets to end after each signal."""
STATE_PATIENCE_S = 60.0
"""Time for a program that has to write down what it did: a provider's waits cannot be cut short."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AT_TERMINAL = {"sudo", "git", "timeout"}


@dataclass(frozen=True)
class Child:
    """A program that was started; ``shares`` says that it is in this process's own group."""

    program: subprocess.Popen[str]
    shares: bool
    patience: float

    def members(self) -> set[int]:
        """The numbers of the processes that go with it and have not ended."""
        table = dict(_processes())
        if not self.shares:
            return {pid for pid, (_, group) in table.items() if group == self.program.pid}
        found = {self.program.pid} & table.keys()
        while more := {pid for pid, (parent, _) in table.items() if parent in found} - found:
            found |= more
        return found

    def end(self) -> None:
        """Ask it to end, with all that goes with it; after a while end it."""
        known = self.members()
        for number, seconds in (
            (signal.SIGINT, self.patience),
            (signal.SIGTERM, PATIENCE_S),
            (signal.SIGKILL, PATIENCE_S),
        ):
            _signal(known, number)
            if polled(partial(self._are_over, known), seconds, POLL_INTERVAL_S):
                return
            known = self._left(known)

    def _are_over(self, known: set[int]) -> bool:
        return not self._left(known)

    def _left(self, known: set[int]) -> set[int]:
        return self.members() | (known & dict(_processes()).keys() if self.shares else set())


POLL_INTERVAL_S = 0.05
"""Between two looks at programs that are to end."""
_running: dict[int, Child] = {}


@dataclass
class _State:
    """Plain values, because a lock that the main thread holds may not be waited for in a signal's handler."""

    starting: bool = False
    """The main thread is starting a program, which nobody could end yet."""
    unheeded: bool = False
    """A signal came meanwhile."""
    told: bool = False
    """A signal was obeyed; other threads start nothing more."""
    ending: bool = False
    """The programs are being ended."""


_state = _State()


@contextmanager
def started(
    argv: Sequence[str], *, patience: float = PATIENCE_S, terminal: bool = False, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """A program that runs meanwhile. When the context ends with an error, the program is ended and waited for.

    ``terminal`` says that it talks to the person at the terminal. Its environment is the composed one, unless `env` is
    given. Raises OSError when it cannot be started.
    """
    _heed()
    options.setdefault("env", compose())
    child = _start(argv, terminal or Path(argv[0]).name in _AT_TERMINAL, patience, options)
    try:
        _heed()
        yield child.program
        child.program.wait()
    except BaseException:
        for pipe in (child.program.stdout, child.program.stderr):
            if pipe is not None:  # a program that cannot write would not end
                threading.Thread(target=_drain, args=[pipe.fileno()], daemon=True).start()
        polled(lambda: not _state.ending, math.inf, POLL_INTERVAL_S)
        child.end()
        child.program.wait()
        raise
    finally:
        _running.pop(child.program.pid, None)
        for stream in (child.program.stdin, child.program.stdout, child.program.stderr):
            with contextlib.suppress(OSError, ValueError):
                if stream is not None:
                    stream.close()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP end all programs that were started meanwhile, and raise KeyboardInterrupt.

    Further signals count again when the programs have ended: the first one is obeyed in order.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is _on_signal:
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as `nohup` wants it
            signal.signal(number, _on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _state.told = _state.unheeded = False


def _on_signal(number: int, frame: FrameType | None) -> None:
    if _state.starting:
        _state.unheeded = True
    elif not _state.ending:
        _state.told = _state.ending = True
        _thread.start_new_thread(_end_all, (list(_running.values()),))
        raise KeyboardInterrupt


def _heed() -> None:
    """Obey a signal that came while a program was being started, or to another thread."""
    if threading.current_thread() is not threading.main_thread():
        if _state.told:
            raise PipelineError("Interrupted.")
    elif _state.unheeded:
        _state.unheeded = False
        _on_signal(signal.SIGTERM, None)


def _end_all(children: Collection[Child]) -> None:
    try:
        with ThreadPoolExecutor(max(len(children), 1)) as pool:
            list(pool.map(Child.end, children))
    finally:
        _state.ending = False


def _start(argv: Sequence[str], shares: bool, patience: float, options: dict[str, Any]) -> Child:
    main = threading.current_thread() is threading.main_thread()
    if main:
        _state.starting = True
    try:
        program = subprocess.Popen(list(argv), process_group=None if shares else 0, **options)
        child = _running[program.pid] = Child(program, shares, patience)
        return child
    finally:
        if main:
            _state.starting = False


def _signal(pids: Collection[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _drain(file: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(file, 65536):
            pass


def _processes() -> Iterator[tuple[int, tuple[int, int]]]:
    """Number, parent and group of each process that has not ended."""
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"{entry.path}/stat", "rb") as file:
                    state, parent, group = file.read().rpartition(b") ")[2].split()[:3]
                if state not in b"ZX":
                    yield int(entry.name), (int(parent), int(group))
