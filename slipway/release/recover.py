"""The way back to what was confirmed before: the address first, by the API; the rest when users are served again.

It is the strongest path. What fails for a passing reason is done again, with growing pauses, until it worked or minutes
have passed. Two things end it at once: an environment that is another run's by now, and a plan that must not be done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from slipway.clock import SYSTEM, Clock
from slipway.environment.outputs import Outputs
from slipway.environment.reference import Reference, Release
from slipway.environment.session import Session
from slipway.errors import PipelineError, in_a_sentence
from slipway.graph import adoption, retirement, strays
from slipway.graph.graph import BootData, now_of
from slipway.graph.plan import CurrentState, Refused
from slipway.release.compose import boot_data
from slipway.retries import Again, retrying
from slipway.runs.account_lock import LockLost, LockUnsure
from slipway.runs.ledger import Run
from slipway.tools.digitalocean import Droplet
from slipway.tools.files import is_full
from slipway.traffic.edge import Edge, FloatingIp
from slipway.verification.app_client import AppClient
from slipway.verification.verified import Verified, by_confirmation
from slipway.verification.witness import Witness, Word

LONGEST_S = 300.0
"""How long the way back is tried, for the address and for the rest alike."""
MOVE_S = 30.0
"""What a move of the address may take before it is asked for again."""
LOOKS = 5
"""Looks at the address, one a second, until another release that still answers means that the move was lost."""


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


def restore_traffic(session: Session, before: Outputs, clock: Clock = SYSTEM) -> Restored:
    """Point the address at the droplet that was confirmed last, until it worked.

    ``before`` are the outputs of the last apply that was confirmed. What cannot be moved is a warning: the apply that
    follows tries it, too.
    """
    confirmed, home = before.confirmed, by_confirmation(before)
    if not (before.address and home and confirmed.live):
        return Restored()
    edge = FloatingIp(session.api, before.address, clock)
    move = _Move(session, confirmed.releases[confirmed.live], edge, home, clock)
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


def go_back(
    session: Session,
    run: Run,
    before: Outputs,
    restored: Restored,
    restore: Callable[[Reference, CurrentState, BootData], None],
) -> None:
    """Make state and world what was confirmed before, until that worked or minutes have passed.

    ``restore`` applies a reference. Where users had to be left with what they have, nothing is applied: it would take
    them to a dead droplet.
    """
    confirmed = before.confirmed
    if restored.stays:
        session.progress.warn("./invoke heal makes the address answer from a verified release, and the rest agree")
        return
    session.progress.warn("the release failed: going back to what was confirmed before")

    def attempt() -> None:
        adoption.adopt(session, before)
        retirement.remove_failed(session, confirmed, session.outputs())
        standing = retirement.standing(session, session.outputs())
        restore(confirmed, now_of(session.api, before), boot_data(session, standing, replace(confirmed, standby=None)))
        strays.remove_strays(session, session.outputs())

    try:
        # Nobody makes room on a disk within minutes, and users have what was confirmed before.
        until_it_works(attempt, session.progress.detail, hopeless=lambda: is_full(session.settings.work))
        run.write("way back", text=f"what was confirmed before is there again: {confirmed.live or 'nothing'}")
    except PipelineError as error:
        session.progress.warn(f"going back failed too: {error.message} {error.hint}".rstrip())
        session.progress.warn("./invoke deploy applies the reference file again")


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

    def __init__(self, session: Session, release: Release, edge: Edge, home: Verified, clock: Clock) -> None:
        self.other: Droplet | None = None
        self._session, self._clock = session, clock
        self._release, self._edge, self._home = release, edge, home
        self._asked = False

    def once(self) -> None:
        """Move it, unless it is there. Raises Gone or Dead when that cannot be."""
        home, carrying = self._home.group.ids, self._edge.carrying()
        if carrying == home and not self._asked:
            return
        droplets = {each.id: each for each in self._session.api.droplets(self._session.settings.tag)}
        if not home <= droplets.keys():
            raise Gone(f"The droplet of {self._release.key} is gone, so the address cannot go back to it.")
        self.other = self.other or next((droplets[id] for id in carrying - home if id in droplets), None)
        self._refuse_the_dead(droplets[self._home.group.first.id])
        with self._session.progress.step(f"move {self._edge.address} back to {self._release.key}"):
            self._asked = True
            self._edge.move(self._home, MOVE_S, again=True)
            self._refuse_a_lost_move()

    def _refuse_the_dead(self, home: Droplet) -> None:
        """Raise Dead when the droplet answers neither from here nor by its own word, and users have another one."""
        witness = Witness(self._session, self._release, home.address, self._clock)
        if home.status == "active" and (witness.is_met_from_here() or witness.word() is Word.FINE):
            return
        if found := AppClient.of(self._release, self._edge.address).release():
            raise Dead(f"The droplet of {self._release.key} is dead, so the traffic stays with {found}.")

    def _refuse_a_lost_move(self) -> None:
        """Raise PipelineError when the cloud says that it is done, and another release goes on answering."""
        app = AppClient.of(self._release, self._edge.address)
        for _ in range(LOOKS):
            if (found := app.release()) in ("", self._release.key):
                return  # silence is no proof of a lost move: the path from here may be at fault
            self._clock.sleep(1)
        raise PipelineError(f"{self._edge.address} is said to be moved, and {found} still answers there.")
