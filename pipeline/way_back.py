"""The way back to what was confirmed before: the address first, by the API; the rest when users are served again.

It is the strongest path. What fails for a passing reason is done again, with growing pauses, until it worked or minutes
have passed. Two things end it at once: an environment that is another run's by now, and a plan that must not be done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.app_client import AppClient
from pipeline.clock import SYSTEM, Clock
from pipeline.errors import PipelineError, in_a_sentence
from pipeline.plan import Refused
from pipeline.reference import Reference, Release
from pipeline.remote_lock import LockLost, LockUnsure
from pipeline.retries import Again, retrying
from pipeline.session import Session
from pipeline.tools.digitalocean import Droplet
from pipeline.witness import Witness, Word

LONGEST_S = 300.0
"""How long the way back is tried, for the address and for the rest alike."""
MOVE_S = 30.0
"""What a move of the address may take before it is asked for again."""
LOOKS = 5
"""Looks at the address, one a second, until another release that still answers means that the move was lost."""
_POLL_S = 0.25


@dataclass(frozen=True)
class Restored:
    """Where users are. ``other`` is the droplet that had the traffic in place of the confirmed one, if any had.

    ``stays`` is whether it still has it, because the confirmed one is dead.
    """

    other: Droplet | None = None
    stays: bool = False


class Gone(PipelineError):
    """There is no droplet that the address could go back to."""


class Dead(PipelineError):
    """The droplet that the address should go back to is dead, by two witnesses, and the other one answers."""


def restore_traffic(session: Session, before: Mapping[str, Any], clock: Clock = SYSTEM) -> Restored:
    """Point the address at the droplet that was confirmed last, until it worked.

    ``before`` are the outputs of the last apply that was confirmed. What cannot be moved is a warning: the apply that
    follows tries it, too.
    """
    confirmed = Reference.from_state(before.get("reference"))
    address = before.get("floating_ip")
    home = ((before.get("droplets") or {}).get(confirmed.live or "") or {}).get("id")
    if not (address and home and confirmed.live):
        return Restored()
    move = _Move(session, confirmed.releases[confirmed.live], address, home, clock)
    try:
        until_it_works(move.once, session.progress.detail, clock)
    except Dead as error:
        session.progress.warn(error.message)
        return Restored(move.other, stays=True)
    except Gone as error:
        session.progress.warn(error.message)
    except PipelineError as error:
        session.progress.warn(f"the address could not be moved back to {confirmed.live}: {error.message}")
    return Restored(move.other)


def until_it_works(
    attempt: Callable[[], None],
    say: Callable[[str], None],
    clock: Clock = SYSTEM,
    hopeless: Callable[[], bool] = lambda: False,
) -> None:
    """Do something again while it fails, for minutes, unless it is hopeless. Raises its last PipelineError."""

    def once() -> None:
        try:
            with in_a_sentence():
                attempt()
        except LockUnsure as error:
            raise Again(error.message.rstrip(".")) from error
        except (LockLost, Refused, Gone, Dead):
            raise
        except PipelineError as error:
            if hopeless():
                raise
            raise Again(error.message.rstrip(".")) from error

    try:
        retrying(clock, LONGEST_S, say)(once)
    except Again as last:
        assert isinstance(last.__cause__, PipelineError)
        raise last.__cause__ from last


class _Move:
    """The move of an address back to its droplet. ``other`` is the droplet that had the traffic when it began."""

    def __init__(self, session: Session, release: Release, address: str, home: int, clock: Clock) -> None:
        self.other: Droplet | None = None
        self._session, self._clock = session, clock
        self._release, self._address, self._home = release, address, home
        self._asked = False

    def once(self) -> None:
        """Move it, unless it is there. Raises Gone or Dead when that cannot be."""
        api = self._session.api
        carrying = api.floating_ip_target(self._address)
        if carrying == self._home and not self._asked:
            return
        droplets = {each.id: each for each in api.droplets(self._session.settings.tag)}
        if self._home not in droplets:
            raise Gone(f"The droplet of {self._release.key} is gone, so the address cannot go back to it.")
        if carrying != self._home:
            self.other = self.other or droplets.get(carrying or 0)
        self._refuse_the_dead(droplets[self._home])
        with self._session.progress.step(f"move {self._address} back to {self._release.key}"):
            self._asked = True
            api.point(self._address, self._home)
            self._wait()

    def _refuse_the_dead(self, home: Droplet) -> None:
        """Raise Dead when the droplet answers neither from here nor by its own word, and users have another one."""
        witness = Witness(self._session, self._release, home.address, self._clock)
        if home.status == "active" and (witness.is_met_from_here() or witness.word() is Word.FINE):
            return
        if found := AppClient.of(self._release, self._address).release():
            raise Dead(f"The droplet of {self._release.key} is dead, so the traffic stays with {found}.")

    def _wait(self) -> None:
        """Until the cloud says that it is done, and no other release answers any more."""
        ends = self._clock.now() + MOVE_S
        while self._session.api.floating_ip_target(self._address) != self._home:
            if self._clock.now() > ends:
                raise PipelineError(f"The cloud did not move {self._address} within {MOVE_S:.0f} s.")
            self._clock.sleep(_POLL_S)
        app = AppClient.of(self._release, self._address)
        for _ in range(LOOKS):
            if (found := app.release()) in ("", self._release.key):
                return  # silence is no proof of a lost move: the path from here may be at fault
            self._clock.sleep(1)
        raise PipelineError(f"{self._address} is said to be moved, and {found} still answers there.")
