"""The program `slipway`: the verbs of `./invoke`, in a project of one's own."""

from __future__ import annotations

import os
import sys
from importlib import metadata


def _version() -> str:
    """By the name on an index, or by that of a checkout."""
    try:
        return metadata.version("slipway-deploy")
    except metadata.PackageNotFoundError:
        return metadata.version("slipway")


def main() -> int:
    """Run what the command line asks for; whoever interrupts it, or reads no further, meets no traceback."""
    try:
        from invoke.config import Config
        from invoke.program import Program

        from slipway.text import call_it
        from slipway.tools.programs import environment
        from slipway.verbs.command_line import SharingExecutor
        from slipway.verbs.table import namespace

        class OwnConfig(Config):
            """Not the settings that a user or the machine has for Invoke and other projects."""

            def load_user(self, merge: bool = True) -> None:
                """Nothing to load."""

            load_system = load_user

        environment.drop()
        call_it("slipway")
        program = Program(
            name="slipway",
            namespace=namespace(),
            config_class=OwnConfig,
            executor_class=SharingExecutor,
            version=_version(),
        )
        program.run([sys.argv[0], *sys.argv[1:]])
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("\n✗ Interrupted.\n")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    return 0
