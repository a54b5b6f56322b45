"""Keeping failures apart: where many are looked after in turn, what fails for one happens to nobody else."""

from __future__ import annotations

import logging
from collections.abc import Callable

from localocean.host.errors import HostError

log = logging.getLogger("localocean.apart")


def attempt(what: str, work: Callable[[], object]) -> bool:
    """Do the work, and log why it failed if it does; whether it was done."""
    try:
        work()
    except HostError as error:
        log.error("%s: %s %s", what, error.message, error.hint)
        return False
    except Exception:
        log.exception("%s", what)
        return False
    return True
