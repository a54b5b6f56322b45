"""Programs that are ended at a deadline, with everything that they started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.errors import PipelineError


class Overdue(Exception):
    """A program that had not ended at its deadline, and was ended."""


def call(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; raises Overdue after so many seconds, and ends its whole process group then.

    An interrupt ends the group, too. Raises PipelineError when the program cannot be started.
    """
    try:
        program = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            process_group=0,
        )
    except OSError as error:
        raise PipelineError(f"{argv[0]} cannot be run: {error.strerror}.", f"Is {argv[0]} installed?") from error
    with program:
        try:
            output, errors = program.communicate(timeout=seconds)
        except BaseException as error:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(program.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise Overdue from error
            raise
    return subprocess.CompletedProcess(list(argv), program.returncode, output, errors)
