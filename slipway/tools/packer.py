"""Packer, through packerpy (the distribution PackerBuilder)."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from slipway.errors import PipelineError
from slipway.retries import polled
from slipway.tools.programs.environment import compose
from slipway.tools.programs.process import environment

_GRACE = 5
"""Seconds in which Packer, asked to stop, may remove what it made. It does not stop while it waits for a snapshot."""


class Packer:
    """One Packer binary and the environment that it needs (its plugins, the cloud's endpoint and token).

    While it runs, the environment is in a file below ``folder``, by default where the system keeps what is temporary.
    """

    def __init__(self, binary: Path, env: Mapping[str, str], folder: Path | None = None) -> None:
        self._binary = binary
        self._env = env
        self._folder = folder

    def build(
        self,
        template: Path,
        variables: Mapping[str, str],
        on_line: Callable[[str], None],
        trouble: Callable[[], str | None] = lambda: None,
        every: float = 5,
    ) -> None:
        """Run `packer build` on a folder, handing each line of its output to `on_line`.

        Every so many seconds `trouble` is asked, in a thread of its own, for a reason to give up; Packer is ended then.
        Raises PipelineError with that reason, and when Packer cannot be started or the build fails.
        """
        from packerpy import PackerClient

        log = logging.Logger("packer", logging.INFO)
        log.addHandler(_Lines(on_line))
        arguments = [
            "-color=false",
            "-on-error=cleanup",
            *(f"-var={name}={value}" for name, value in variables.items()),
        ]
        with tempfile.TemporaryDirectory(prefix="slipway-packer-", dir=self._folder) as folder:
            place = Path(folder)
            self._write_scripts(place)
            # packerpy wants `packer` on this process's own PATH, whatever somebody's binary is called.
            with environment({"PATH": f"{place}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}):
                try:
                    client = PackerClient(str(template), log=log)
                    with _Guard(place / "pid", trouble, every) as guard:
                        with client.run("build", *arguments) as process:
                            status = process.wait()
                        if status != 0:
                            guard.end()  # of a Packer that was killed its plugins may be left
                except OSError as error:
                    raise PipelineError(f"Packer cannot be run: {error}.") from error
                except UnicodeDecodeError as error:
                    raise PipelineError("Packer printed bytes that are not UTF-8, and was ended.") from error
        if guard.reason:
            raise PipelineError(guard.reason)
        if status != 0:
            raise PipelineError("Packer's build failed, so there is no image.")

    def _write_scripts(self, folder: Path) -> None:
        """A `packer` that starts the binary in the composed environment, which no command line shows.

        It has a process group of its own, whose number is kept, and does not outlive the pipeline.
        """
        pid, binary, start = (shlex.quote(str(each)) for each in (folder / "pid", self._binary, folder / "start"))
        variables = {**compose(), **self._env}
        exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        last = f'exec setsid setpriv --pdeathsig TERM -- {binary} "$@"'
        write_script(folder / "start", [*exports, f"echo $$ >{pid}", last])
        write_script(folder / "packer", [f'exec env -i {start} "$@"'])


def write_script(path: Path, lines: Sequence[str]) -> None:
    """A shell script that its owner alone may read."""
    path.touch(mode=0o700)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))


class _Guard:
    """Ends Packer when there is a reason to, and when the context ends early. `reason` is why, or None."""

    def __init__(self, pid: Path, trouble: Callable[[], str | None], every: float) -> None:
        self.reason: str | None = None
        self._pid, self._trouble, self._every = pid, trouble, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Guard:
        self._pid.unlink(missing_ok=True)  # of the question for its version
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if kind is not None:
            self.end()

    def _watch(self) -> None:
        while not self._over.wait(self._every):
            self.reason = self._trouble()
            if self.reason:
                return self.end()

    def end(self) -> None:
        """Ask Packer to clean up and go, and after a while make it."""
        try:
            group = int(self._pid.read_text())
            os.killpg(group, signal.SIGTERM)
            polled(lambda: os.waitpid(group, os.WNOHANG) != (0, 0), _GRACE, 0.1)
        except (OSError, ValueError):
            pass  # not started yet, or gone already
        with contextlib.suppress(OSError, ValueError):
            os.killpg(int(self._pid.read_text()), signal.SIGKILL)


class _Lines(logging.Handler):
    def __init__(self, on_line: Callable[[str], None]) -> None:
        super().__init__()
        self._on_line = on_line

    def emit(self, record: logging.LogRecord) -> None:
        self._on_line(record.getMessage())
