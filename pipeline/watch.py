"""A cutover watched from outside: measured while it is made, held to its limits, and looked after for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import requests

from pipeline import cutover, reference
from pipeline.config import CutoverSettings
from pipeline.errors import PipelineError
from pipeline.ledger import Run
from pipeline.narrator import MOVE
from pipeline.prober import Prober, Sample
from pipeline.reference import Reference, Release
from pipeline.session import Session
from pipeline.tools import ssh

_UNREADY = 3
"""Times in a row that a release may say it is not ready, or nothing, once a second, before it is gone back from."""
_ERRORS = 0.01
"""The share of requests that may be lost after a cutover."""
_SLOWER, _SLOWER_BY = 3, 100
"""So many times slower than before, and by so many milliseconds (p99), is too slow."""
_FEWEST = 20
"""Requests below which nothing is said of their share or their latency."""
_RESTARTS_EVERY = 5


class Unfit(PipelineError):
    """A release that was live and did not keep what was asked of it: it is gone back from, and marked with ``why``."""

    def __init__(self, release: Release, why: str) -> None:
        super().__init__(f"Release {release.key} was live and is not fit: {why}.", "./invoke report shows the cutover.")
        self.why = why


class Watch:
    """The public address while a release takes over. Without a prober there was nothing live that could be asked.

    It listens to the run's progress: what was lost before the address moved was not lost by the release.
    """

    def __init__(self, prober: Prober | None, address: str) -> None:
        self._prober = prober
        self._address = address
        self._moved: float | None = None

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

    def judge(self, release: Release, limits: CutoverSettings) -> None:
        """Raise Unfit when the cutover cost more than is allowed; where nothing moved it cost nothing."""
        since = [sample for sample in self.samples if self._moved is not None and sample.at >= self._moved]
        if said := cutover.exceeded(limits, cutover.figures(since)):
            raise Unfit(release, f"while it took over {said}")

    def soak(self, release: Release, seconds: float, restarts: Callable[[], int]) -> None:
        """Look after a release that is live; raises Unfit as soon as it is not what it should be."""
        if self._prober is None:
            return
        before = cutover.figures(self.samples).before
        start, unready, asked = self._prober.elapsed, 0, 0.0
        url = f"http://{self._address}:{reference.port(release.config)}/health/ready"
        while (now := self._prober.elapsed) - start < seconds:
            unready = 0 if _is_ready(url) else unready + 1
            said = f"it was not ready {unready} times in a row" if unready >= _UNREADY else ""
            if not said and (now - asked >= _RESTARTS_EVERY or not asked):
                asked = now
                said = f"its app restarted {count} times" if (count := restarts()) else ""
            said = said or trouble(before, [s for s in self.samples if s.at >= start])
            if said:
                raise Unfit(release, f"{said}, {now - start:.0f} s after the cutover")
            time.sleep(min(1, max(seconds - (self._prober.elapsed - start), 0.01)))


def trouble(before: cutover.Latency, samples: Sequence[Sample]) -> str:
    """What is wrong with the answers since a cutover, next to those before; empty when nothing is."""
    if len(samples) < _FEWEST:
        return ""
    lost = sum(sample.lost for sample in samples)
    if lost > len(samples) * _ERRORS:
        return f"{lost} of {len(samples)} requests were lost"
    now = cutover.latency([sample for sample in samples if not sample.kept and not sample.lost])
    if before.p99 is None or now.p99 is None or now.requests < _FEWEST:
        return ""
    if now.p99 > max(before.p99 * _SLOWER, before.p99 + _SLOWER_BY):
        return f"one answer in a hundred takes {now.p99:.0f} ms or more, and took {before.p99:.0f} ms before"
    return ""


@contextmanager
def over(session: Session, run: Run, outputs: Mapping[str, Any], target: Reference) -> Iterator[Watch]:
    """Watch the public address; what was seen goes to the ledger, and in a line to whoever waits."""
    confirmed = Reference.from_state(outputs.get("reference"))
    address = outputs.get("floating_ip")
    if not address or confirmed.live is None or target.live is None:
        yield Watch(None, "")
        return
    before, after = (reference.port(each.releases[each.live or ""].config) for each in (confirmed, target))
    if before != after:
        session.progress.warn(f"the port changes from {before} to {after}, so the cutover is not measured")
        yield Watch(None, address)
        return
    prober = Prober(address, before)
    try:
        with prober, _listening(session, Watch(prober, address)) as watched:
            yield watched
    finally:
        run.write("cutover", **cutover.told(prober.samples, prober.began_at))
        if len(cutover.figures(prober.samples).answers) > 1:
            session.progress.say(f"  ✓ {cutover.sentence(cutover.figures(prober.samples))}")


@contextmanager
def _listening(session: Session, watched: Watch) -> Iterator[Watch]:
    session.progress.listeners.append(watched)
    try:
        yield watched
    finally:
        session.progress.listeners.remove(watched)


@contextmanager
def restarts(session: Session, release: Release, address: str) -> Iterator[Callable[[], int]]:
    """How often systemd has started the app of a droplet again."""
    key = session.key

    def count() -> int:
        said = ssh.execute(client, "systemctl show app.service --property NRestarts --value", timeout=10)
        if said.status != 0 or not said.output.strip().isdecimal():
            raise PipelineError(f"The droplet of {release.key} does not say how often its app was started.")
        return int(said.output)

    with ssh.connect(address, key.identity, key.host_key(release.key).public) as client:
        yield count


def _is_ready(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False
