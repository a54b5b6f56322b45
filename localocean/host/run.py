"""The one door to Linux: every outside command of the local cloud is started here.

Other rooms build argument lists; this one executes them, and turns every failure into a :class:`HostError`.
"""

from __future__ import annotations

import os
import select
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from localocean.host import orphans
from localocean.host.errors import HostError

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
}
WATCH_SECONDS = 0.1
KEPT_BYTES = 16 << 10
LINE_LENGTH = 400
NO_REASON = "Exiting with failure status due to previous errors"
"""tar's last line, after those that say what went wrong."""

WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "TMPDIR")


def environment() -> dict[str, str]:
    """What commands get to see: a fixed search path and locale, and the user's proxies."""
    return ENVIRONMENT | {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def run(argv: Sequence[str], *, input: str | None = None, check: bool = True, timeout: float | None = 60) -> str:
    """Run ``argv`` to its end and return what it printed; ``timeout`` is in seconds.

    Raises ``HostError`` when the command is missing, does not end in time or, with ``check``, exits non-zero.
    """
    env = environment() | {orphans.OWNER: orphans.mark()}
    try:
        done = subprocess.run(
            argv, input=input, text=True, errors="replace", capture_output=True, timeout=timeout, env=env
        )
    except FileNotFoundError:
        raise _missing(argv) from None
    except subprocess.TimeoutExpired as error:
        raise overdue(argv, error.timeout) from None
    if check and done.returncode:
        raise failed(argv, done.returncode, done.stderr.strip() or done.stdout)
    return done.stdout


def watched(argv: Sequence[str], watch: Callable[[], None]) -> None:
    """Run ``argv`` to its end, however long that takes; ``watch`` is called often meanwhile and ends it by raising.

    Raises ``HostError`` as :func:`run` does.
    """
    env = environment() | {orphans.OWNER: orphans.mark()}
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env
        )
    except FileNotFoundError:
        raise _missing(argv) from None
    with process:
        try:
            said = _last_words(process, watch)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise failed(argv, process.returncode, said)


def _last_words(process: subprocess.Popen[bytes], watch: Callable[[], None]) -> str:
    """The end of what a process says on its standard error, which may be more than there is memory for."""
    assert process.stderr
    said, stream = b"", select.poll()
    stream.register(process.stderr, select.POLLIN)
    while True:
        if stream.poll(WATCH_SECONDS * 1000):
            if not (block := os.read(process.stderr.fileno(), 1 << 16)):
                return said.decode(errors="replace")
            said = (said + block)[-KEPT_BYTES:]
        watch()


def printed(argv: Sequence[str], longest: int) -> Iterator[str]:
    """The lines that ``argv`` prints, as they come; one that is longer comes in parts."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment()) as program:
        assert program.stdout is not None
        while line := program.stdout.readline(longest):
            yield line.decode(errors="replace")


def attached(argv: Sequence[str]) -> int:
    """Run ``argv`` in the user's own terminal and environment, and return its exit code, as a shell tells it."""
    try:
        return _as_a_shell(subprocess.run(argv).returncode)
    except FileNotFoundError:
        raise _missing(argv) from None


def _as_a_shell(code: int) -> int:
    return code if code >= 0 else 128 - code


def spawn(argv: Sequence[str], output: Path, extra: Mapping[str, str] | None = None) -> int:
    """Start ``argv`` in a session of its own, so that it outlives us, and return its process id.

    What it prints is appended to ``output``; ``extra`` is added to its environment.
    """
    with output.open("ab") as log:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=environment() | dict(extra or {}),
        )
    threading.Thread(target=child.wait, name=f"reap-{child.pid}", daemon=True).start()
    return child.pid


def _missing(argv: Sequence[str]) -> HostError:
    return HostError(f"The command {argv[0]} is missing.", f"Install the package that has {argv[0]}.")


def overdue(argv: Sequence[str], timeout: float) -> HostError:
    """That a command did not end in time."""
    return HostError(f"{argv[0]} did not end within {timeout:g} seconds: {' '.join(argv)}")


def failed(argv: Sequence[str], code: int, said: str) -> HostError:
    """That a command failed, with the last line of what it said that tells why."""
    lines = [line for line in said.strip().splitlines() if not line.endswith(NO_REASON)]
    return HostError(f"{argv[0]} failed ({code}): {_short(lines[-1] if lines else ' '.join(argv))}")


def _short(line: str) -> str:
    """A line that may hold the longest of paths, with its reason, which stands at its end."""
    return line if len(line) <= LINE_LENGTH else f"{line[: LINE_LENGTH // 2]} … {line[-LINE_LENGTH // 2 :]}"
