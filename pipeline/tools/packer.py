"""Packer, through packerpy (the distribution PackerBuilder)."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.tools.process import environment


class Packer:
    """One Packer binary and the environment that it needs (its plugins, the cloud's endpoint and token)."""

    def __init__(self, binary: Path, env: Mapping[str, str]) -> None:
        self._binary = binary
        self._env = env

    def build(self, template: Path, variables: Mapping[str, str], on_line: Callable[[str], None]) -> None:
        """Run `packer build` on a folder, handing each line of its output to `on_line`.

        Raises PipelineError when Packer cannot be started or the build fails; Packer has then removed what it made.
        """
        from packerpy import PackerClient

        log = logging.Logger("packer", logging.INFO)
        log.addHandler(_Lines(on_line))
        arguments = [
            "-color=false",
            "-on-error=cleanup",
            *(f"-var={name}={value}" for name, value in variables.items()),
        ]
        with tempfile.TemporaryDirectory(prefix="slipway-packer-") as folder, environment(self._on_path(Path(folder))):
            try:
                process = PackerClient(str(template), log=log).run("build", *arguments)
            except OSError as error:
                raise PipelineError(f"Packer cannot be run: {error}.") from error
            if process.wait() != 0:
                raise PipelineError("Packer's build failed, so there is no image.")

    def _on_path(self, folder: Path) -> dict[str, str]:
        """packerpy wants `packer` on PATH, whatever somebody's own binary is called and what else lies beside it."""
        (folder / "packer").symlink_to(self._binary)
        return {**self._env, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}


class _Lines(logging.Handler):
    def __init__(self, on_line: Callable[[str], None]) -> None:
        super().__init__()
        self._on_line = on_line

    def emit(self, record: logging.LogRecord) -> None:
        self._on_line(record.getMessage())
