"""A run from its beginning to its end: alone, written down, and shared with whoever else deploys."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from slipway.environment import reference
from slipway.environment.session import Session
from slipway.errors import PipelineError, Unrecorded
from slipway.runs import account_lock, orphans
from slipway.runs.account_lock import RemoteLock
from slipway.runs.checkout_lock import only_one
from slipway.runs.ledger import CONTINUED, Ledger, Run
from slipway.tools.account import Account
from slipway.tools.programs.children import ended_by_signals
from slipway.tools.programs.environment import giving


@contextmanager
def alone(session: Session, what: str, force: str = "") -> Iterator[Run]:
    """Change an environment as nobody else does meanwhile, and write down what is done, why by ``force`` included.

    Raises PipelineError when another run has it, here or on another machine.
    """
    settings = session.settings
    with ended_by_signals(), only_one(settings.work, what), recorded(session, what, force) as run:
        orphans.end_processes(settings.work / "runs", session.progress.warn)
        holder = account_lock.holder(settings.names.lock, what, who(session.environ), run.id)
        account, key = Account(settings.cloud), session.key.lock_key(settings.names.lock)
        with account_lock.held(account, key, holder, session.progress.warn) as lock:
            guard = _Guard(lock)
            session.progress.listeners.insert(0, guard)
            try:
                yield run
            finally:
                session.progress.listeners.remove(guard)


@contextmanager
def recorded(session: Session, what: str, force: str = "") -> Iterator[Run]:
    """Write down what a run does. A ledger that cannot be shared is a warning: the next run tries again."""
    book = Ledger.of(session.settings.project, session.settings.environment)
    for dead in book.close_dead():
        session.progress.warn(f"run {dead.id} died without an end: ./invoke report --run {dead.id}")
    run = Run.begin(book.folder, _facts(session, what, force))
    session.progress.listeners.append(run)
    outcome, error = "failed", ""
    try:
        with giving({CONTINUED: str(run.path)}):
            yield run
        outcome = "succeeded"
    except PipelineError as failure:
        outcome, error = "succeeded" if isinstance(failure, Unrecorded) else "failed", failure.message
        raise
    except KeyboardInterrupt:
        outcome = "interrupted"
        raise
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"
        raise
    finally:
        session.progress.listeners.remove(run)
        run.write("ends", outcome=outcome, error=error, live=_live(session.settings.reference_path))
        if run.broken:
            session.progress.warn(f"the ledger could not be written: {run.broken}")
        try:
            book.keep(who(session.environ))
        except (PipelineError, OSError) as failure:
            session.progress.warn(f"the ledger was not shared, and will be by the next run: {failure}")


class _Guard:
    """Keeps a step from beginning when the environment is somebody else's by now."""

    def __init__(self, lock: RemoteLock) -> None:
        self._lock = lock

    def began(self, title: str) -> None:
        self._lock.check()

    def ended(self, title: str, seconds: float, *, ok: bool) -> None:
        """Nothing to do."""

    def warned(self, text: str) -> None:
        """Nothing to do."""


def _facts(session: Session, what: str, force: str) -> dict[str, object]:
    user, _, host = who(session.environ).partition("@")
    try:
        commit = session.git.head()
    except PipelineError:
        commit = ""  # nothing was ever committed
    return {
        "project": session.settings.project.name,
        "environment": session.settings.environment,
        "cloud": session.settings.cloud.name,
        "command": what,
        "who": user,
        "host": host,
        "pid": os.getpid(),
        "place": account_lock.place(),
        "commit": commit,
        "live": _live(session.settings.reference_path),
        **({"force": force} if force else {}),
    }


def _live(path: Path) -> str | None:
    try:
        return reference.read(path).live
    except PipelineError:
        return None


def who(environ: Mapping[str, str]) -> str:
    """Who it is that runs this, and where: in a workflow, who started that."""
    try:
        user = environ.get("GITHUB_ACTOR") or getpass.getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    return f"{user}@{os.uname().nodename}"
