"""One run for each environment, across machines: a lock that the account itself keeps.

An account has an SSH key but once: a second one with the same public key is refused, by DigitalOcean and at once.
So a key whose public half follows from the deploy key and the environment is what is held; its name says who has it,
and is written anew every few seconds. It opens nothing: no droplet is ever given it (docs/decisions/0012).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from slipway import names
from slipway.clock import SYSTEM, Clock
from slipway.errors import PipelineError
from slipway.tools.account import Account, Key, fingerprint

_ATTEMPTS = 5


@dataclass(frozen=True)
class Rhythm:
    """In seconds: between two signs of life, until their lack means death, and for how long that is made sure of."""

    beat: float = 15
    stale: float = 60
    watch: float = 20


@dataclass(frozen=True)
class Holder:
    """Who holds an environment, which ``lock`` names with its project.

    ``place`` tells apart machines, their boots and their containers; ``since`` and ``heartbeat`` are seconds since
    1970.
    """

    lock: str
    what: str
    who: str
    run: str
    place: str
    pid: int
    since: int
    heartbeat: int

    @property
    def name(self) -> str:
        """The name of the key that says all this."""
        texts = [self.what, self.who, self.run, self.place]
        return names.lock_name(self.lock, texts, [self.pid, self.since, self.heartbeat])

    @classmethod
    def parse(cls, name: str) -> Holder | None:
        """Read a key's name; None for one that is no lock's."""
        found = names.parse_lock(name, texts=4, numbers=3)
        if found is None:
            return None
        lock, (what, who, run, place), (pid, since, heartbeat) = found
        return cls(lock, what, who, run, place, pid, since, heartbeat)

    @property
    def environment(self) -> str:
        """The environment's name, as a person says it."""
        return self.lock.rpartition(":")[2]

    def __str__(self) -> str:
        return f"{self.what} by {self.who}, run {self.run}, since {_clock(self.since)}"

    @property
    def is_dead_here(self) -> bool:
        """Whether it was a process of this machine, and is no more."""
        return self.place == place() and not is_running(self.pid)


class LockLost(PipelineError):
    """Somebody else was let in, or may have been: nothing more may be changed, not even back."""


class LockUnsure(LockLost):
    """Whether the environment is still ours cannot be told now, because the cloud does not answer."""


class RemoteLock:
    """The lock of one environment."""

    def __init__(
        self,
        account: Account,
        public_key: str,
        holder: Holder,
        rhythm: Rhythm | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._account = account
        self._public_key = public_key
        self._rhythm = rhythm or Rhythm()
        self._holder = holder
        self._clock = clock
        self._key: Key | None = None
        self._renewed = 0.0
        self._lost = ""
        self._done = threading.Event()

    def take(self, say: Callable[[str], None]) -> None:
        """Become the holder; raises PipelineError naming who is, unless that one is dead."""
        for attempt in range(_ATTEMPTS):
            try:
                found = self._account.add_key(self._holder.name, self._public_key)
                found = found or self._account.key(fingerprint(self._public_key))
            except PipelineError:
                # Whether the key was made is told by the next attempt, which finds it under our name.
                if attempt == _ATTEMPTS - 1:
                    raise
                self._clock.sleep(min(1, self._rhythm.beat) * (attempt + 1))
                continue
            other = Holder.parse(found.name) if found else None
            if found and other and other.run == self._holder.run:
                self._key, self._renewed = found, _elapsed()
                return
            if found:
                self._remove_the_dead(found, other, say)
        raise PipelineError(f"{self._holder.environment} changes hands too fast.", "Try again.")

    def _remove_the_dead(self, found: Key, other: Holder | None, say: Callable[[str], None]) -> None:
        if other is None:
            raise PipelineError(f"The key {found.name!r} of the account stands where a lock would.", "Remove that key.")
        if not other.is_dead_here and not self._is_silent(found, other, say):
            raise PipelineError(
                f"Another run has {other.environment}: {other}, last heard of at {_clock(other.heartbeat)}.",
                "Try again when it has ended; one that died is noticed after a minute.",
            )
        say(f"taking over from a dead run: {other}")
        self._account.remove_key(found.id)

    def _is_silent(self, found: Key, other: Holder, say: Callable[[str], None]) -> bool:
        """By the clocks first, and then, as clocks may differ, by watching for longer than between two signs."""
        if abs(time.time() - other.heartbeat) <= self._rhythm.stale:
            return False
        say(f"watching for {self._rhythm.watch:.0f} s whether a run still lives: {other}")
        self._clock.sleep(self._rhythm.watch)
        again = self._account.key(found.id)
        return again is None or again.name == found.name

    def check(self) -> None:
        """Raise LockLost unless the lock is surely still ours; asks the cloud when that is not known."""
        if not self._lost and _elapsed() - self._renewed > self._rhythm.stale:
            try:
                self._renew()
            except PipelineError as error:
                raise LockUnsure(f"Whether this run still has the environment is not known: {error.message}") from error
        if self._lost:
            raise LockLost(self._lost, "Nothing more was changed. ./invoke status says where things stand.")

    def give_back(self) -> None:
        """Let the next one in."""
        self._done.set()
        if self._key and not self._lost:
            self._account.remove_key(self._key.id)

    def beat(self) -> None:
        """Give signs of life until the lock is given back; for a thread of its own."""
        while not self._done.wait(self._rhythm.beat) and not self._lost:
            try:
                self._renew()
            except PipelineError:
                continue  # a cloud that does not answer gives the lock to nobody else either

    def _renew(self) -> None:
        assert self._key is not None
        holder = replace(self._holder, heartbeat=int(time.time()))
        if self._account.rename_key(self._key.id, holder.name):
            self._renewed = _elapsed()
        else:
            self._lost = f"This run was taken for dead, and another one has {holder.environment} now."


@contextmanager
def held(
    account: Account, public_key: str, holder: Holder, say: Callable[[str], None], rhythm: Rhythm | None = None
) -> Iterator[RemoteLock]:
    """Hold an environment; raises PipelineError, naming who has it, when somebody else does."""
    lock = RemoteLock(account, public_key, holder, rhythm)
    lock.take(say)
    beating = threading.Thread(target=lock.beat, daemon=True)
    beating.start()
    try:
        yield lock
    finally:
        try:
            lock.give_back()
        except PipelineError as error:
            say(f"the lock could not be given back, and ends by itself in a minute: {error.message}")


def at_work(names: Iterable[str]) -> list[Holder]:
    """Who holds an environment now, any of any project, by the names of an account's keys; the dead do not count."""
    found = [Holder.parse(name) for name in names]
    return [each for each in found if each and not each.is_dead_here and time.time() - each.heartbeat < Rhythm.stale]


def who_holds(account: Account, public_key: str) -> Holder | None:
    """Who holds an environment now, dead or alive; None when nobody does."""
    found = account.key(fingerprint(public_key))
    return Holder.parse(found.name) if found else None


def holder(lock: str, what: str, who: str, run: str) -> Holder:
    """This process, as it holds an environment from now on."""
    now = int(time.time())
    return Holder(lock, names.plain(what), names.plain(who), run, place(), os.getpid(), now, now)


def place() -> str:
    """A name for where process numbers mean what they mean here: this boot of this machine, and this container."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read()[:8]
        return f"{boot}-{os.readlink('/proc/self/ns/pid').strip('pid:[]')}"
    except OSError:
        return f"{os.uname().nodename}-unknown"


def is_running(pid: int) -> bool:
    """Whether there is a process of this number here."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _elapsed() -> float:
    """Seconds that go on while a laptop sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _clock(seconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"
