"""Packer, through packerpy (the distribution PackerBuilder)."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.tools.process import environment


class Packer:
    """One Packer binary and the environment that it needs (its plugins, the cloud's endpoint and token)."""

    def __init__(self, binary: Path, env: Mapping[str, str]) -> None:
        # packerpy finds `packer` on PATH, whatever the binary's owner calls it elsewhere.
        self._env = {**env, "PATH": f"{binary.parent}{os.pathsep}{os.environ.get('PATH', '')}"}

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
        with environment(self._env):
            try:
                process = PackerClient(str(template), log=log).run("build", *arguments)
            except OSError as error:
                raise PipelineError(f"Packer cannot be run: {error}.") from error
            if process.wait() != 0:
                raise PipelineError("Packer's build failed, so there is no image.")


class _Lines(logging.Handler):
    def __init__(self, on_line: Callable[[str], None]) -> None:
        super().__init__()
        self._on_line = on_line

    def emit(self, record: logging.LogRecord) -> None:
        self._on_line(record.getMessage())
