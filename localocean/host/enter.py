"""Running something in a machine from its host, as its root: without network, without a key.

What runs there runs under the machine's own manager (see :mod:`localocean.host.manager`), with no more than the machine
has. It never gets a descriptor of the caller's: bytes are carried through pipes, or a terminal, that were made for it.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import signal
import termios
import threading
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from localocean.host.inside import SHIFT
from localocean.host.manager import Unit
from localocean.host.run import WRITE, failed, overdue

ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LOGNAME": "root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SHELL": "/bin/bash",
    "USER": "root",
}
LOGIN = ("bash", "--login")
BLOCK_BYTES, MOST_BYTES, TAIL_BYTES = 1 << 16, 64 << 20, 16 << 10
DRAIN_SECONDS = 1.0
"""How long to wait for the last bytes of what has ended: something that it left behind may never end."""


def run(unit: str, words: Sequence[str], *, input: str | None = None, timeout: float = 60) -> str:
    """Run ``words`` in the machine ``unit`` and return what they printed; ``timeout`` is in seconds.

    Raises ``HostError`` when the machine does not run, or the words fail or do not end in time.
    """
    said = _Bounded()
    _carry(unit, words, io.BytesIO((input or "").encode()), said, timeout)
    return said.getvalue().decode(errors="replace")


def run_to_file(unit: str, words: Sequence[str], *, source: Path | None, target: Path | None, timeout: float) -> None:
    """Run ``words`` with their input from one file and their output into another, which only root may read.

    Raises ``HostError`` as :func:`run` does.
    """
    with open(source or os.devnull, "rb") as read, open(os.open(target or os.devnull, WRITE, 0o600), "wb") as write:
        _carry(unit, words, read, write, timeout)


def attach(unit: str, words: Sequence[str]) -> int:
    """Run ``words``, or a login shell, for whoever called us, and return their exit code. Raises ``HostError``."""
    return _on_a_terminal(unit, words) if os.isatty(0) else _through_pipes(unit, words)


def command(words: Sequence[str]) -> list[str]:
    """The words as the machine's manager is to run them."""
    settings = [f"{name}={value}" for name, value in (ENVIRONMENT | {"TERM": os.environ.get("TERM", "dumb")}).items()]
    return ["/usr/bin/env", "--ignore-environment", "--chdir=/root", *settings, *(words or LOGIN)]


def _carry(unit: str, words: Sequence[str], source: BinaryIO, target: BinaryIO, timeout: float) -> None:
    complaint = _Tail()
    with piped(unit, words, alone=False) as (entered, (into, out, complaints)):
        copies = [
            _copy(source.read, into, lambda block: _write_all(into, block)),
            _copy(lambda count: os.read(out, count), out, target.write),
            _copy(lambda count: os.read(complaints, count), complaints, complaint.write),
        ]
        try:
            code = entered.wait(timeout)
        except TimeoutError:
            raise overdue(words, timeout) from None
        _join(copies[1:])
    if code:
        raise failed(words, code, complaint.text())


def _through_pipes(unit: str, words: Sequence[str]) -> int:
    with piped(unit, words, alone=True) as (entered, (into, out, complaints)):
        _copy(lambda count: os.read(0, count), into, lambda block: _write_all(into, block))
        copies = [
            _copy(lambda count: os.read(out, count), out, lambda block: _write_all(1, block)),
            _copy(lambda count: os.read(complaints, count), complaints, lambda block: _write_all(2, block)),
        ]
        code = entered.wait()
        _join(copies)
    return code


def _on_a_terminal(unit: str, words: Sequence[str]) -> int:
    """On a terminal of its own, shown in the caller's: a shared one would let it put words there."""
    ours, theirs = os.openpty()
    try:
        os.fchown(theirs, SHIFT, SHIFT)
        _copy_size(ours)
        entered = Unit(unit, command(words), (theirs, theirs, theirs), alone=True)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    with _raw(ours):
        _copy(lambda count: os.read(0, count), None, lambda block: _write_all(ours, block))
        shown = _copy(lambda count: os.read(ours, count), None, lambda block: _write_all(1, block))
        try:
            code = entered.wait()
            _join([shown])
        finally:
            entered.stop()
            entered.close()
    return code


@contextmanager
def piped(unit: str, words: Sequence[str], *, alone: bool) -> Iterator[tuple[Unit, tuple[int, int, int]]]:
    """Something that runs with three pipes, and our ends of them, which whoever copies closes."""
    (their_in, into), (out, their_out), (complaints, their_complaints) = os.pipe(), os.pipe(), os.pipe()
    theirs, ours = (their_in, their_out, their_complaints), (into, out, complaints)
    try:
        entered = Unit(unit, command(words), theirs, alone=alone)
    except BaseException:
        for descriptor in ours:
            os.close(descriptor)
        raise
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    try:
        yield entered, ours
    finally:
        entered.stop()
        entered.close()


def _copy(read: Callable[[int], bytes], closed: int | None, write: Callable[[bytes], object]) -> threading.Thread:
    """Copy until there is no more to read or nobody to write to, beside everything else; then close a descriptor."""

    def copy() -> None:
        try:
            with suppress(OSError, ValueError):  # an end is closed, or the file that we were to write to
                while block := read(BLOCK_BYTES):
                    write(block)
        finally:
            if closed is not None:
                os.close(closed)

    thread = threading.Thread(target=copy, name="carrier", daemon=True)
    thread.start()
    return thread


def _join(copies: Sequence[threading.Thread]) -> None:
    for thread in copies:
        thread.join(DRAIN_SECONDS)


def _write_all(descriptor: int, block: bytes) -> None:
    while block:
        block = block[os.write(descriptor, block) :]


@contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Let the caller's terminal hand on every key as it is, and the other one have its size, for a while."""
    before = termios.tcgetattr(0)
    handler = signal.signal(signal.SIGWINCH, lambda *_: _copy_size(terminal))
    try:
        tty.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSAFLUSH, before)
        signal.signal(signal.SIGWINCH, handler)


def _copy_size(terminal: int) -> None:
    with suppress(OSError):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))


class _Bounded(io.BytesIO):
    """A machine may say as much as it likes, and the server must not keep all of it."""

    def write(self, block: bytes, /) -> int:  # type: ignore[override]
        if self.tell() + len(block) > MOST_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return super().write(block)


class _Tail:
    """The end of what was written."""

    def __init__(self) -> None:
        self._kept = b""

    def write(self, block: bytes) -> None:
        self._kept = (self._kept + block)[-TAIL_BYTES:]

    def text(self) -> str:
        return self._kept.decode(errors="replace")
