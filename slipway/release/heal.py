"""The address answers again: the live droplet is started, or its standby takes over, or another one is made.

The quickest way that leads to a verified release is taken, and the reference file tells which release that is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slipway.clock import SYSTEM, Clock
from slipway.environment import reference
from slipway.environment.reference import Reference, Release
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.release import apply, takeover
from slipway.release.options import ReleaseOptions
from slipway.retries import polled
from slipway.runs import run as runs
from slipway.runs.ledger import Run
from slipway.tools.digitalocean import Droplet
from slipway.traffic.edge import FloatingIp
from slipway.verification import verify
from slipway.verification.verify import Subject
from slipway.verification.witness import Witness, Word

_HEALTH_CHECKS = 3
"""Health checks, one a second, before a droplet counts as dead."""
_FORCE = 'Look from another machine. If the droplet is dead: ./invoke heal --force "why".'


@dataclass(frozen=True)
class Healed:
    """What was done, in sentences without a full stop; nothing where nothing was wrong. ``live`` is what answers now.

    ``seconds`` is how long it took until the address answered.
    """

    live: str
    done: Sequence[str]
    seconds: float


def heal(session: Session, options: ReleaseOptions, clock: Clock = SYSTEM) -> Healed:
    """Make the address answer from a verified release as quickly as that can be done, and the rest what git says.

    Raises PipelineError when nothing is live, and when none of the ways leads there.
    """
    takeover.refuse(session)
    with runs.alone(session, "heal", options.force) as run:
        current = reference.read(session.settings.reference_path)
        if current.live is None:
            raise PipelineError("Nothing is live, so there is nothing to heal.", "./invoke build deploy --version v1")
        return _Healing(session, run, current, options, clock).heal()


def render(healed: Healed) -> str:
    """What was done, as a person reads it."""
    if not healed.done:
        return f"{healed.live} answers, and so does its standby where it has one: nothing was done."
    return "\n".join([*(f"{each}." for each in healed.done), f"{healed.live} answers, after {healed.seconds:.1f} s."])


class _Healing:
    def __init__(self, session: Session, run: Run, current: Reference, options: ReleaseOptions, clock: Clock) -> None:
        self._session, self._run, self._current, self._options = session, run, current, options
        self._clock = clock
        self._outputs = session.outputs()
        self._address = self._outputs.address
        self._edge = FloatingIp(session.api, self._address, clock)
        self._start = clock.now()
        self._done: list[str] = []

    def heal(self) -> Healed:
        """Live first; what stands beside it can wait."""
        current, seconds, target = self._current, 0.0, self._current
        live = current.releases[current.live or ""]
        if not verify.answers(live, self._address, _HEALTH_CHECKS):
            target = self._live(live)
            seconds = self._clock.now() - self._start
        if target.standby and target == current:
            self._standby(current.releases[target.standby])
        if self._done or not self._as_written():
            target = apply.apply_reference(self._session, self._run, current, target, self._options)
            self._done = self._done or ["the world was made what the reference file says"]
            seconds = seconds or self._clock.now() - self._start
        if target.live is None or not verify.answers(target.releases[target.live], self._address, _HEALTH_CHECKS):
            raise PipelineError(f"{target.live} does not answer at {self._address}.", "./invoke status says more.")
        return Healed(target.live, self._done, round(seconds, 1))

    def _live(self, live: Release) -> Reference:
        """The reference to make so: as it is when the droplet came back or is to be made anew, else the standby's."""
        droplet, current = self._droplet(live), self._current
        word = self._word(droplet, live)
        if droplet and word is Word.FINE:
            self._reach(live, droplet)
            return current
        if droplet and droplet.status == "off" and self._start_again(droplet, live, "power_on"):
            return current
        if current.standby and self._take_over(current.releases[current.standby]):
            rest = {key: each for key, each in current.releases.items() if key != live.key}
            return Reference({live.key: live, **rest}, current.standby, None, current.rejected)
        if word is Word.SILENT:
            self._refuse_a_suspect_path(live)
        if droplet and droplet.status == "active" and self._start_again(droplet, live, "power_cycle"):
            return current
        if droplet:
            self._refuse_to_guess(droplet, live)
            self._remove(droplet, live)
        self._did(f"the droplet of {live.key} is gone, and another one is made of its image")
        return current

    def _word(self, droplet: Droplet | None, of: Release) -> Word | None:
        """What a droplet says of itself; None for one that is not there or off, of which the cloud is the witness."""
        active = droplet is not None and droplet.status == "active"
        return Witness(self._session, of, droplet.address, self._clock).word() if droplet and active else None

    def _reach(self, live: Release, droplet: Droplet) -> None:
        """Point the address at a droplet that is fine; raises PipelineError when only this machine cannot reach it."""
        own = Witness(self._session, live, droplet.address, self._clock)
        vouched = own.vouches_for(self._outputs.groups[live.key])
        if vouched and (not self._points_at(droplet) or own.is_met_from_here()):
            with self._session.progress.step(f"point the address at {live.key} again"):
                self._edge.move(vouched, again=True)
            self._did(f"the address was pointed at the droplet of {live.key} again")
        if not verify.answers(live, self._address, _HEALTH_CHECKS):
            raise PipelineError(
                f"{live.key} does not answer at {self._address} from here, and its droplet says that it is fine: the"
                " path from this machine is suspect. No traffic was moved.",
                f"Look from another machine: curl -i {reference.url(self._current, self._address)}",
            )

    def _refuse_a_suspect_path(self, live: Release) -> None:
        """Raise PipelineError when no droplet at all can be reached, which one broken path explains better."""
        standby = self._current.releases.get(self._current.standby or "")
        word = self._word(self._droplet(standby), standby) if standby else None
        if word is Word.SILENT and not self._options.force:
            raise PipelineError(
                f"Neither {live.key} nor its standby can be reached from here, over HTTP or SSH, and both droplets are"
                " active: the path from this machine is suspect. Nothing was changed.",
                _FORCE,
            )

    def _refuse_to_guess(self, droplet: Droplet, live: Release) -> None:
        """Raise PipelineError when a droplet would be removed that is merely silent from here."""
        if self._word(droplet, live) is Word.SILENT and not self._options.force and not self._reached_another():
            raise PipelineError(
                f"The droplet of {live.key} cannot be reached from here, over HTTP or SSH, and the cloud says that it"
                " is active. It was started anew, and not removed.",
                _FORCE,
            )

    def _reached_another(self) -> bool:
        """Whether a droplet of the environment was reached from here, so that the path is not at fault."""
        standby = self._current.releases.get(self._current.standby or "")
        word = self._word(self._droplet(standby), standby) if standby else None
        return word in (Word.FINE, Word.UNWELL)

    def _standby(self, standby: Release) -> None:
        """Start a standby that does not answer; create another one when it cannot start or fails its verification."""
        droplet = self._droplet(standby)
        runs = droplet is not None and droplet.status == "active"
        if droplet and runs and self._is_well(droplet, standby):
            return
        if droplet and self._start_again(droplet, standby, "power_cycle" if runs else "power_on", public=False):
            return
        if droplet:
            self._remove(droplet, standby)
        self._did(f"the droplet of the standby {standby.key} is gone, and another one is made of its image")

    def _is_well(self, droplet: Droplet, of: Release) -> bool:
        return verify.answers(of, droplet.address, _HEALTH_CHECKS) or self._word(droplet, of) is Word.FINE

    def _start_again(self, droplet: Droplet, of: Release, action: str, *, public: bool = True) -> bool:
        """Whether a droplet comes up again and passes."""
        word = {"power_on": "started", "power_cycle": "started anew"}[action]
        with self._session.progress.step(f"{action.replace('_', ' ')} the droplet of {of.key}"):
            try:
                self._session.api.act(droplet.id, action)
                verify.verify(self._session, Subject(of, droplet.address))
            except PipelineError as error:
                self._session.progress.warn(error.message)
                return False
        if public and not self._points_at(droplet):
            return False
        self._did(f"the droplet of {of.key} was {word}")
        return True

    def _take_over(self, standby: Release) -> bool:
        """Whether the standby passes; then the address is its, before anything else is done."""
        droplet = self._droplet(standby)
        if droplet is None or droplet.status != "active":
            return False
        try:
            passed = verify.verify(self._session, Subject(standby, droplet.address))
            with self._session.progress.step(f"move the address to {standby.key}"):
                self._edge.move(passed.of(self._outputs.groups[standby.key]))
        except PipelineError as error:
            self._session.progress.warn(error.message)
            return False
        self._did(f"the standby {standby.key} took over")
        return True

    def _remove(self, droplet: Droplet, of: Release) -> None:
        """What is dead stands in the way of another one of its name and key."""
        self._session.progress.warn(f"removing the droplet of {of.key}, which does not come back")
        self._session.api.remove(f"droplets/{droplet.id}")
        self._wait(lambda: self._droplet(of) is None)

    def _droplet(self, of: Release) -> Droplet | None:
        """The droplet of a release, as the state knows it and as it is now."""
        group = self._outputs.group(of.key)
        droplets = self._session.api.droplets(self._session.settings.tag) if group else []
        return next((each for each in droplets if group and each.id in group.ids), None)

    def _points_at(self, droplet: Droplet) -> bool:
        return self._edge.carrying() == {droplet.id}

    def _as_written(self) -> bool:
        """Whether git, the state's last word and the address agree."""
        current = self._current
        droplet = self._droplet(current.releases[current.live or ""])
        agreed = self._outputs.confirmed == current
        standing = all(self._droplet(current.releases[key]) for key in current.running)
        return agreed and standing and droplet is not None and self._points_at(droplet)

    def _wait(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        if not polled(condition, seconds, 0.5, self._clock):
            raise PipelineError(f"The cloud did not do what it was asked for within {seconds:.0f} s.")

    def _did(self, sentence: str) -> None:
        self._done.append(sentence)
        self._session.progress.say(f"  ✓ {sentence}")
