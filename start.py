"""What `./invoke` runs, with `-S`: Invoke, but whoever interrupts Python while it is still loading meets no traceback.

Nor does who reads no further, as `| head` does, who closed an output, or whose terminal cannot show a character.
"""

import gc
import os
import sys


def open_what_is_closed() -> None:
    """Give each closed standard stream the null device: no file that is opened later gets its number."""
    while (null := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(null)
    sys.stdin = sys.stdin or open(0)
    sys.stdout, sys.stderr = sys.stdout or open(1, "w"), sys.stderr or open(2, "w")


def forgive_characters() -> None:
    """Write UTF-8, or what PYTHONIOENCODING asks for, with a question mark for what it cannot say."""
    encoding = os.environ.get("PYTHONIOENCODING", "").partition(":")[0]
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.reconfigure(encoding=encoding or None, errors="replace")
        except LookupError:
            stream.reconfigure(errors="replace")


def silence() -> None:
    """Let what is still to be written go nowhere: nobody reads it, and it is flushed at the end."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(null, stream)


def run() -> None:
    """Load Invoke, and run what the command line asks for."""
    gc.set_threshold(100_000)  # looking for garbage in what is loaded would take a sixth of a verb's time
    import site

    site.main()
    from invoke.config import Config
    from invoke.main import program

    from slipway.tools.programs import environment

    class OwnConfig(Config):
        """The project's settings alone: not those that a user or the machine has for other projects."""

        def load_user(self, merge: bool = True) -> None:
            """Nothing to load."""

        load_system = load_user

    program.config_class = OwnConfig
    environment.drop()
    sys.argv[:1] = ["invoke", "--write-pyc"]  # compiling all of the project again takes 0.3 s
    try:
        program.run()
    finally:
        sys.stdout.flush()


try:
    open_what_is_closed()
    forgive_characters()
    run()
except KeyboardInterrupt:
    sys.stderr.write("\n✗ Interrupted, before anything was begun.\n")
    sys.exit(130)
except BrokenPipeError:
    silence()
    sys.exit(1)
except OSError as error:
    sys.stderr.write(f"\n✗ The output cannot be written: {error.strerror}.\n")
    silence()
    sys.exit(1)
