"""Actions: what is being done to a resource, done by a pool of workers, one at a time per resource.

An action's job does the slow part without holding the database and returns what is to be recorded; that is
recorded in the same transaction as the action's end, so no caller ever sees one without the other.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from localocean.engine.errors import PENDING_EVENTS, NotFound, Unprocessable
from localocean.engine.faults import ERROR, HANG, Faults
from localocean.host.errors import HostError
from localocean.store.records import COMPLETED, DATABASE, ERRORED, IN_PROGRESS, Action, Listing, Page, now
from localocean.store.store import Store

Settle = Callable[[], object]
Job = Callable[[Action], Settle]
WORKERS = 24
"""Actions that are carried out at once: most of their time they wait, and a crowd of droplets starts together."""
FULL_SECONDS = 1.0
"""How long to wait for room on a disk that is full."""
PENDING = f"resource_type = ? AND resource_id = ? AND status = '{IN_PROGRESS}'"

log = logging.getLogger("localocean.actions")


class Interrupted(Exception):
    """The server is stopping: the action stays in progress and the next start takes it up again."""


class Abandoned(Exception):
    """Somebody made the action pointless, as by deleting a droplet that was still being created."""


class Actions:
    """The worker pool. `jobs` maps an action's type to what does it, `undo` to what clears up when that failed.

    An undo is given the action with the reason of its failure.
    """

    def __init__(self, store: Store, faults: Faults) -> None:
        self.store = store
        self.faults = faults
        self.jobs: dict[str, Job] = {}
        self.undo: dict[str, Callable[[Action], None]] = {}
        self.stopping = threading.Event()
        self.paused = False
        self._held: list[tuple[int, Action]] = []
        self._locks: defaultdict[tuple[str, int], threading.Lock] = defaultdict(threading.Lock)
        self._pool = self._new_pool()

    def page(self, page: Page) -> Listing[Action]:
        """Everything that was done, newest first; what databases do is told by the clusters' events."""
        return self.store.actions.page(page, "resource_type != ?", DATABASE, newest=True)

    def get(self, identifier: int) -> Action:
        """One of those. Raises NotFound."""
        found = self.store.actions.get(identifier)
        if found is None or found.resource_type == DATABASE:
            raise NotFound
        return found

    def page_of(self, resource_type: str, resource_id: int, page: Page) -> Listing[Action]:
        """What was done to a resource, newest first."""
        where = "resource_type = ? AND resource_id = ?"
        return self.store.actions.page(page, where, resource_type, resource_id, newest=True)

    def get_of(self, resource_type: str, resource_id: int, identifier: int) -> Action:
        """One of those. Raises NotFound."""
        found = self.store.actions.get(identifier)
        if found is None or (found.resource_type, found.resource_id) != (resource_type, resource_id):
            raise NotFound
        return found

    def pending(self, resource_type: str, resource_id: int) -> bool:
        return self.store.actions.first(PENDING, resource_type, resource_id) is not None

    def of(self, resource_type: str, resource_id: int) -> list[Action]:
        """What is being done to a resource."""
        return self.store.actions.find(PENDING, resource_type, resource_id)

    def begin(
        self,
        type: str,
        resource_type: str,
        resource_id: int,
        region: str,
        args: Mapping[str, Any] | None = None,
        *,
        force: bool = False,
    ) -> Action:
        """Record an action; to be called in a transaction, and followed by `submit` after it.

        Raises Unprocessable when the resource has a pending action, unless forced.
        """
        if self.paused:
            raise Unprocessable("The local cloud is being reset.")
        if not force and self.pending(resource_type, resource_id):
            raise Unprocessable(PENDING_EVENTS[resource_type])
        return self.store.actions.add(
            Action(
                type=type,
                resource_type=resource_type,
                resource_id=resource_id,
                region=region,
                args=dict(args or {}),
            )
        )

    def nothing_to_do(self, type: str, resource_type: str, resource_id: int, region: str) -> Action:
        """Record an action that was never pending, because the resource is as it wants it already."""
        return self.store.actions.add(
            Action(
                type=type,
                status=COMPLETED,
                resource_type=resource_type,
                resource_id=resource_id,
                region=region,
                completed_at=now(),
            )
        )

    def submit(self, action: Action) -> None:
        """Have the action done soon; after a stop it is left to the next start."""
        if action.status != IN_PROGRESS or self.stopping.is_set():
            return
        if fault := self.faults.action(action.type, HANG):
            self._held.append((fault.id, action))
            log.info("action %d %s hangs, as was asked for", action.id, action.type)
        else:
            self._pool.submit(self._perform, action)

    def run(self, action: Action) -> None:
        """Do the action now, after what is being done to the resource. Raises HostError with the reason of a failure.

        A fault that has actions hang is for those that are waited for, not for these.
        """
        self._perform(action)
        ended = self.store.actions.get(action.id)
        if ended is None or ended.status != COMPLETED:
            raise HostError(ended.reason if ended and ended.reason else "The server is stopping.")

    def release(self, faults: Collection[int]) -> None:
        """Go on with what these faults held up."""
        released = [action for fault, action in self._held if fault in faults]
        self._held = [(fault, action) for fault, action in self._held if fault not in faults]
        for action in released:
            self.submit(action)

    def lock(self, resource_type: str, resource_id: int) -> threading.Lock:
        """Held while something happens to the resource."""
        with self.store.database.lock:
            return self._locks[resource_type, resource_id]

    def finish(self, action: Action, settle: Settle) -> None:
        def end() -> None:
            with self.store.transaction():
                settle()
                self.store.actions.update(action.id, status=COMPLETED, completed_at=now())

        self._when_there_is_room(end)

    def drain(self) -> None:
        """Drop what is waiting, let what runs end, and be ready for new work."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = self._new_pool()

    def stop(self) -> None:
        self.stopping.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(WORKERS, thread_name_prefix="worker")

    def _perform(self, action: Action) -> None:
        with self.lock(action.resource_type, action.resource_id):
            try:
                if reason := self._attempt(action):
                    self._fail(action, reason)
            except Interrupted:
                log.info("action %d %s interrupted", action.id, action.type)

    def _attempt(self, action: Action) -> str:
        """Do the action to its end; if that is not to be, why."""
        try:
            if fault := self.faults.action(action.type, ERROR):
                raise HostError(fault.reason)
            self.finish(action, self.jobs[action.type](action))
        except Interrupted:
            raise
        except HostError as error:
            return f"{error.message} {error.hint}".strip()
        except OSError as error:
            return f"{error.strerror or error}: {error.filename or 'this machine'}."
        except sqlite3.OperationalError as error:
            return f"The records cannot be written: {error}."
        except Abandoned as error:
            return str(error)
        except Exception as error:
            log.exception("action %d %s failed unexpectedly", action.id, action.type)
            return f"{type(error).__name__}: {error}"
        log.info("action %d %s %s", action.id, action.type, COMPLETED)
        return ""

    def _fail(self, action: Action, reason: str) -> None:
        log.error("action %d %s %s: %s", action.id, action.type, ERRORED, reason)
        ended = {"status": ERRORED, "completed_at": now(), "reason": reason}
        try:
            if undo := self.undo.get(action.type):
                self._when_there_is_room(lambda: undo(replace(action, reason=reason)))
        except Interrupted:
            raise
        except (HostError, OSError) as error:
            log.error("undoing action %d: %s", action.id, error)
        except Exception:  # the action has ended all the same, and whoever waits for it is to hear that
            log.exception("undoing action %d", action.id)
        self._when_there_is_room(lambda: self.store.actions.update(action.id, **ended))

    def _when_there_is_room(self, work: Callable[[], None]) -> None:
        """Do what ends an action, again and again while the disk is full: nobody else would record that it ended."""
        while True:
            try:
                return work()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                    raise
                log.error("the end of an action cannot be recorded yet: %s", error)
            if self.stopping.wait(FULL_SECONDS) or self.paused:
                raise Interrupted
