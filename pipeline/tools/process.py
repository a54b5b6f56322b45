"""The door to other programs, for the tools that have no library of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from pipeline.errors import PipelineError


def run(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """The standard output of a program that succeeds; raises PipelineError with its last words if it does not."""
    result = call(argv, cwd=cwd, env=env)
    if result.returncode != 0:
        last_words = (result.stderr.strip() or result.stdout.strip())[-2000:]
        raise PipelineError(f"`{' '.join(argv[:3])}` failed with exit status {result.returncode}.", last_words)
    return result.stdout


def call(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever that is; raises PipelineError only when it cannot be started."""
    try:
        return subprocess.run(
            list(argv),
            cwd=cwd,
            env={**os.environ, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise PipelineError(f"{argv[0]} cannot be run: {error.strerror}.", f"Is {argv[0]} installed?") from error


def stream(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], on_line: Callable[[str], None]
) -> tuple[int, str]:
    """Hand each line of a program's output on as it comes; returns the exit status and what it said as errors.

    What `on_line` raises interrupts the program, which is waited for.
    """
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            argv, cwd=cwd, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as p,
    ):
        assert p.stdout is not None
        try:
            for line in p.stdout:
                on_line(line)
        except Exception:
            # Who listens wants no more of it: the program is asked to end, as by Ctrl-C, and is heard out.
            p.send_signal(signal.SIGINT)
            for _ in p.stdout:
                pass
            raise
        status = p.wait()
        errors.seek(0)
        return status, errors.read()


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for libraries that start programs themselves and hand on only their own environment."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def show(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    say: Callable[[str], None] | None = None,
) -> None:
    """Run a program whose output is for whoever watches; raises PipelineError when it does not succeed.

    With ``say`` its lines, errors too, are handed over as they come.
    """
    output = subprocess.PIPE if say else None
    errors = subprocess.STDOUT if say else None
    with subprocess.Popen(
        list(argv),
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdout=output,
        stderr=errors,
        text=True,
        errors="replace",
    ) as program:
        for line in program.stdout or ():
            assert say is not None
            say(line.rstrip("\n"))
    if program.returncode != 0:
        words = f"{Path(argv[0]).name} {' '.join(argv[1:4])}"
        raise PipelineError(f"`{words}` failed with exit status {program.returncode}.")


@contextmanager
def ended_by_term() -> Iterator[None]:
    """A SIGTERM, as schedulers send it, ends the context as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
