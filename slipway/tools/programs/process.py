"""The door to other programs, for the tools that have no library of their own.

Each gets the environment that `slipway.tools.programs.environment` composes, and ``env`` beside it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from slipway.errors import PipelineError
from slipway.tools.programs import children
from slipway.tools.programs.environment import compose


class Overdue(Exception):
    """A program that had not ended at its deadline; it was ended, with all that it started."""


def run(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """The standard output of a program that succeeds; raises PipelineError with its last words if it does not."""
    result = call(argv, cwd=cwd, env=env)
    if result.returncode != 0:
        last_words = (result.stderr.strip() or result.stdout.strip())[-2000:]
        raise PipelineError(f"`{' '.join(argv[:3])}` failed with exit status {result.returncode}.", last_words)
    return result.stdout


def call(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    errors: str = "replace",
    patience: float = children.PATIENCE_S,
    seconds: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever that is; raises PipelineError only when it cannot be started.

    ``errors`` says what becomes of bytes that are not UTF-8;
    ``patience`` is the time in seconds that it gets to end when the pipeline is told to stop. Raises Overdue when it
    has not ended after ``seconds``.
    """
    try:
        # Files and no pipes, whose end would come only with that of a program that this one leaves running.
        with _text(errors) as said, _text() as complained:
            with children.started(
                argv,
                patience=patience,
                cwd=cwd,
                env={**compose(), **(env or {})},
                stdin=None if stdin is None else subprocess.PIPE,
                stdout=said,
                stderr=complained,
                encoding="utf-8",
                errors=errors,
            ) as program:
                program.communicate(stdin, timeout=seconds)
            said.seek(0)
            complained.seek(0)
            return subprocess.CompletedProcess(list(argv), program.returncode, said.read(), complained.read())
    except subprocess.TimeoutExpired as error:
        raise Overdue from error
    except OSError as error:
        raise PipelineError(f"{argv[0]} cannot be run: {error.strerror}.", f"Is {argv[0]} installed?") from error


def _text(errors: str = "replace") -> IO[str]:
    """A file that a program may write to, and that is read as UTF-8."""
    return TemporaryFile("w+", encoding="utf-8", errors=errors)


def stream(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], on_line: Callable[[str], None]
) -> tuple[int, str]:
    """Hand each line of a program's output on as it comes; returns the exit status and what it said as errors.

    What `on_line` raises interrupts the program, which gets a minute to write down what it did.
    """
    with _text() as errors:
        with children.started(
            argv,
            patience=children.STATE_PATIENCE_S,
            cwd=cwd,
            env={**compose(), **env},
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
            errors="replace",
        ) as program:
            for line in program.stdout or ():
                on_line(line)
        errors.seek(0)
        return program.returncode, errors.read()


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process's own environment, for libraries that read their settings there."""
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
    patience: float = children.PATIENCE_S,
) -> None:
    """Run a program whose output is for whoever watches; raises PipelineError when it does not succeed.

    With ``say`` its lines, errors too, are handed over as they come. ``patience`` is as in `call`.
    """
    output = subprocess.PIPE if say else None
    errors = subprocess.STDOUT if say else None
    with children.started(
        argv,
        patience=patience,
        cwd=cwd,
        env={**compose(), **(env or {})},
        stdout=output,
        stderr=errors,
        encoding="utf-8",
        errors="replace",
    ) as program:
        for line in program.stdout or ():
            assert say is not None
            say(line.rstrip("\n"))
    if program.returncode != 0:
        words = f"{Path(argv[0]).name} {' '.join(argv[1:4])}"
        raise PipelineError(f"`{words}` failed with exit status {program.returncode}.")


def attach(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None) -> int:
    """Run a program that talks to the person at the terminal; returns its exit status."""
    with children.started(argv, terminal=True, cwd=cwd, env={**compose(), **(env or {})}) as program:
        return program.wait()
