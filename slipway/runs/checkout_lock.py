"""One run at a time for each environment of a checkout."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from slipway.errors import PipelineError


@contextmanager
def only_one(work: Path, what: str) -> Iterator[None]:
    """Hold the environment's lock; raises PipelineError at once, saying who has it, when it is held.

    The kernel lets go of it when its holder ends, however that ends.
    """
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (work / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise PipelineError(
                f"Another run is under way here: {file.read().strip()}.", "Try again when it has ended."
            ) from error
        file.truncate(0)
        file.write(f"{what}, process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        file.flush()
        yield
