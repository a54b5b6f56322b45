"""A cutover watched from outside: measured while it is made, held to its limits, and looked after for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from slipway.clock import SYSTEM, Clock
from slipway.environment.outputs import Outputs
from slipway.environment.reference import Reference, Release
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.progress import Progress
from slipway.project import Limits
from slipway.runs.ledger import Run
from slipway.traffic import gates, metrics
from slipway.traffic.edge import MOVE
from slipway.traffic.gates import Seen, When
from slipway.traffic.prober import Prober
from slipway.verification.app_client import AppClient
from slipway.verification.sample import Sample
from slipway.verification.witness import Witness, Word

_RESTARTS_EVERY = 5
_SUSPECT = "the path from this machine is suspect, and no traffic is moved"


class ReleaseUnhealthy(PipelineError):
    """A live release that a gate refused: the run rolls back and marks it with ``why``."""

    def __init__(self, release: Release, why: str) -> None:
        super().__init__(
            f"Release {release.key} was live and is unhealthy: {why}.", "./invoke report shows the cutover."
        )
        self.why = why


class Watch:
    """The public address while a release takes over. Without a prober there was nothing live that could be asked.

    It listens to the run's progress: what was lost before the address moved was not lost by the release.
    """

    def __init__(
        self,
        prober: Prober | None,
        address: str,
        say: Callable[[str], None] = lambda text: None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._prober = prober
        self._address = address
        self._moved: float | None = None
        self._say, self._clock = say, clock

    def began(self, title: str) -> None:
        """Note when the address began to move."""
        if title == MOVE and self._prober and self._moved is None:
            self._moved = self._prober.elapsed

    def ended(self, title: str, seconds: float, *, ok: bool) -> None:
        """Nothing to do."""

    def warned(self, text: str) -> None:
        """Nothing to do."""

    @property
    def is_at_work(self) -> bool:
        """Whether there is something to be seen."""
        return self._prober is not None

    @property
    def samples(self) -> Sequence[Sample]:
        """What was seen so far."""
        return self._prober.samples if self._prober else []

    def judge(self, release: Release, limits: Limits, witness: Witness) -> None:
        """Raise ReleaseUnhealthy when the cutover cost more than is allowed; where nothing moved it cost nothing.

        What a broken path of this machine cost is not the release's: the droplet itself is asked before.
        """
        moved = self._moved
        since = [sample for sample in self.samples if moved is not None and sample.at >= moved]
        if not (said := gates.failed(When.CUTOVER, Seen(since, limits))):
            return
        lost_before = any(sample.lost for sample in self.samples if sample.at < (moved or 0))
        if (lost_before or self._is_silent(release)) and self._is_excused(witness, release):
            self._say(f"{said} while it took over; the droplet itself is fine, so {_SUSPECT}")
            return
        raise ReleaseUnhealthy(release, f"while it took over {said}")

    def soak(self, release: Release, seconds: float, witness: Witness) -> None:
        """Look after a live release; raises ReleaseUnhealthy when two witnesses say that it is not as it should be.

        They are the public address from here, and the droplet itself. One that cannot be reached excuses nobody: what
        was confirmed before is the safer one for users.
        """
        if self._prober is None:
            return
        before = metrics.figures(self.samples).before
        start = since = self._prober.elapsed
        unready, asked = 0, 0.0
        app = AppClient.of(release, self._address)
        while (now := self._prober.elapsed) - start < seconds:
            unready = 0 if app.is_ready() else unready + 1
            seen = Seen([s for s in self.samples if s.at >= since], before=before, unready=unready)
            if said := gates.failed(When.SOAK, seen):
                self._hold_against(release, witness, before, said, now - start)
                unready, since = 0, self._prober.elapsed
            if now - asked >= _RESTARTS_EVERY or not asked:
                asked = now
                if said := gates.failed(When.DROPLET, Seen(restarts=witness.restarts() or 0)):
                    raise ReleaseUnhealthy(release, f"{said}, {now - start:.0f} s after the cutover")
            self._clock.sleep(min(1, max(seconds - (self._prober.elapsed - start), 0.01)))

    def _hold_against(
        self, release: Release, witness: Witness, before: metrics.Latency, said: str, after: float
    ) -> None:
        """Raise ReleaseUnhealthy unless the droplet itself says that all is well, and the address leads there."""
        own = witness.against(lambda samples: gates.failed(When.SOAK, Seen(samples, before=before)))
        when = f"{after:.0f} s after the cutover"
        if own is None:
            raise ReleaseUnhealthy(release, f"{said}, {when}, and the droplet itself cannot be reached over SSH")
        if own:
            raise ReleaseUnhealthy(release, f"{said}, {when}, and on the droplet itself {own}")
        if self._is_silent(release) and witness.is_met_from_here():
            raise ReleaseUnhealthy(release, f"{said}, {when}: the address does not lead to its droplet")
        self._say(f"{said}; the droplet itself is fine, so {_SUSPECT}")

    def _is_silent(self, release: Release) -> bool:
        return AppClient.of(release, self._address).is_silent()

    def _is_excused(self, witness: Witness, release: Release) -> bool:
        """Whether the droplet is fine by its own word, and not only the address fails."""
        return witness.word() is Word.FINE and not (self._is_silent(release) and witness.is_met_from_here())


@contextmanager
def over(session: Session, run: Run, outputs: Outputs, target: Reference) -> Iterator[Watch]:
    """Watch the public address; what was seen goes to the ledger, and in a line to whoever waits."""
    confirmed, address = outputs.confirmed, outputs.address
    if not address or confirmed.live is None or target.live is None:
        yield Watch(None, "")
        return
    before, after = (each.releases[each.live or ""].contract for each in (confirmed, target))
    if before.public_port != after.public_port:
        ports = f"from {before.public_port} to {after.public_port}"
        session.progress.warn(f"the port changes {ports}, so the cutover is not measured")
        yield Watch(None, address)
        return
    # With a front any answer says whose it is; the version's path is one that both know, if any is.
    prober = Prober(address, before.public_port, (before if after.front else after).probe)
    try:
        with prober, _listening(session.progress, Watch(prober, address, session.progress.warn)) as watched:
            yield watched
    finally:
        run.write("cutover", **metrics.told(prober.samples, prober.began_at))
        figures = metrics.figures(prober.samples)
        if len(figures.answers) > 1:
            mark = "!" if figures.lost + figures.kept_lost else "✓"
            session.progress.say(f"  {mark} {metrics.sentence(figures)}")


@contextmanager
def _listening(progress: Progress, watched: Watch) -> Iterator[Watch]:
    progress.listeners.append(watched)
    try:
        yield watched
    finally:
        progress.listeners.remove(watched)
