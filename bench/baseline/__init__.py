"""The pipeline beside the usual way: good and bad releases, ways back, and a release of what is live already.

Both do the same work in turns, in one cloud and from one clone: the same app, provisioning and base image. Neither side
has a database, which the usual way would have to migrate by hand.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from bench.baseline.usual import Usual
from bench.release import timed
from bench.users import Users
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.tools.programs.process import environment
from tests.e2e.checkout import Checkout, clone
from tests.support import own_cloud

_START = "gin.SetMode(gin.ReleaseMode)"
_NOWHERE = "127.0.0.1:9"
_MISTAKES = {"crash": 'panic("crashes at its start")', "wrong version": 'version = "v0"'}
UNREADY = "503"

FIRST, TOTAL, LOST, GAP = "until the new version answers", "in total", "requests lost", "longest gap"
BACK, AGAIN = "until the old version answers", "release of what is live"


@dataclass
class Side:
    """What was measured of one way; times in seconds, ``outages`` by the kind of the bad release."""

    good: list[dict[str, float]] = field(default_factory=list)
    back: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    outages: dict[str, float] = field(default_factory=dict)

    def of(self, name: str) -> float:
        """The median of a figure of good releases."""
        return median(run[name] for run in self.good)


@dataclass
class Beside:
    """Both ways, and how often each was timed."""

    rounds: int
    ours: Side = field(default_factory=Side)
    usual: Side = field(default_factory=Side)

    def as_json(self) -> dict[str, object]:
        """Everything that was measured."""
        return asdict(self)

    def render(self) -> str:
        """A table for people, with what is claimed beside what was found."""
        ours, usual = self.ours, self.usual
        back, usual_back, again = median(ours.back), median(usual.back), median(ours.again)
        rows = [
            ("", "ours", "usual", "", ""),
            ("good release", "", "", "", ""),
            _row(FIRST, ours.of(FIRST), usual.of(FIRST), ours.of(FIRST) / usual.of(FIRST), 0.65),
            _row(TOTAL, ours.of(TOTAL), usual.of(TOTAL), ours.of(TOTAL) / usual.of(TOTAL), 0.6),
            (f"  {LOST}", f"{ours.of(LOST):.0f}", f"{usual.of(LOST):.0f}", "", _verdict(ours.of(LOST) == 0, "none")),
            _gap(ours.of(GAP), usual.of(GAP)),
            ("bad release: outage", "", "", "", ""),
            *(_outage(kind, ours.outages[kind], usual.outages[kind]) for kind in ours.outages),
            ("going back", "", "", "", ""),
            _row(BACK, back, usual_back, back / usual_back, 0.05),
            (AGAIN, f"{again:.2f} s", f"{median(usual.again):.2f} s", "", _verdict(again < 5, "below 5 s")),
        ]
        table = "\n".join(f"{a:32}{b:>10}{c:>10}{d:>8}  {e}".rstrip() for a, b, c, d, e in rows)
        return f"The pipeline beside the usual way; rounds: {self.rounds}\n\n{table}"


def _row(name: str, ours: float, usual: float, ratio: float, target: float) -> tuple[str, ...]:
    said = _verdict(ratio <= target, f"at most {target:g}")
    return f"  {name}", f"{ours:.2f} s", f"{usual:.2f} s", f"{ratio:.2f}", said


def _gap(ours: float, usual: float) -> tuple[str, ...]:
    return f"  {GAP}", f"{ours * 1000:.0f} ms", f"{usual * 1000:.0f} ms", "", _verdict(ours <= 0.06, "at most 60 ms")


def _outage(kind: str, ours: float, usual: float) -> tuple[str, ...]:
    return f"  {kind}", f"{ours:.1f} s", f"{usual:.1f} s", "", _verdict(ours == 0, "none")


def _verdict(met: bool, target: str) -> str:
    return f"{target}: {'met' if met else 'MISSED'}"


def compare(root: Path, rounds: int, say: Callable[[str], None]) -> Beside:
    """Do everything both ways, in a clone and on a cloud of its own; raises PipelineError when a step fails."""
    found = Beside(rounds)
    with tempfile.TemporaryDirectory(prefix="bench-baseline-") as folder, own_cloud("bench") as settings:
        checkout = Checkout(Path(folder) / "project", settings)
        clone(checkout.folder)
        _without_database(checkout)
        say("two releases each, not counted")
        for version in ("w1", "w2"):
            timed(checkout, "build", "deploy", "--version", version)
        with environment(settings):
            usual = Usual(Session(checkout.folder, settings), Path(folder) / "usual")
            for version in ("w1", "w2"):
                usual.bake(version)
                usual.apply(version)
            ways = _Ours(checkout, found.ours, say), _Usual(usual, found.usual, say)
            for number in range(1, rounds + 1):
                for way in ways if number % 2 else reversed(ways):
                    way.release(f"v{number}", "w2" if number == 1 else f"v{number - 1}")
            live = f"v{rounds}"
            for way in ways:
                way.bad(UNREADY, live, f"{live}-503")
            for kind, mistake in _MISTAKES.items():
                with _a_mistake(checkout, mistake):
                    for way in ways:
                        way.bad(kind, live, f"{live}-{kind.split()[0]}")
    return found


class _Ours:
    """The pipeline's way. Every release leaves the one before it warm."""

    def __init__(self, checkout: Checkout, side: Side, say: Callable[[str], None]) -> None:
        self._checkout = checkout
        self._side = side
        self._say = say
        self._address = str(checkout.status()["floating_ip"])

    def release(self, version: str, before: str) -> None:
        """Release a version, release it again, go back, and forward again."""
        with Users(self._address) as users:
            start = time.monotonic()
            timed(self._checkout, "build", "deploy", "--version", version)
            _good(self._side, users, version, start, time.monotonic() - start)
        world = _world(self._checkout)
        self._side.again.append(timed(self._checkout, "deploy").seconds)
        if _world(self._checkout) != world:
            raise PipelineError("A release of what is live changed something.")
        with Users(self._address) as users:
            start = time.monotonic()
            timed(self._checkout, "rollback")
            users.wait_for(before)
            self._side.back.append(users.first(before, start))
        timed(self._checkout, "rollback", "--force", "measured")
        self._say(f"  ours, {version}: {self._side.good[-1]}, back {self._side.back[-1]:.2f} s")

    def bad(self, kind: str, live: str, version: str) -> None:
        """Try to release what is broken; it has to be refused."""
        with Users(self._address) as users:
            verbs = ["deploy", "--set", f"APP_DEPENDS_ON={_NOWHERE}"]
            if kind != UNREADY:
                verbs = ["build", "deploy", "--version", version]
            if self._checkout.call(*verbs).returncode != 1:
                raise PipelineError(f"A release that is bad ({kind}) was not refused.")
            users.wait_for(live)
        self._side.outages[kind] = users.outage(live)
        self._say(f"  ours, {kind}: {self._side.outages[kind]:.1f} s of outage")


class _Usual:
    """The usual way; whoever walks it goes back at once, without a moment for finding out what is wrong."""

    def __init__(self, usual: Usual, side: Side, say: Callable[[str], None]) -> None:
        self._usual = usual
        self._side = side
        self._say = say
        self._address = usual.address

    def release(self, version: str, before: str) -> None:
        """Release a version, release it again, go back, and forward again."""
        with Users(self._address) as users:
            start = time.monotonic()
            self._usual.bake(version)
            self._usual.apply(version)
            _good(self._side, users, version, start, time.monotonic() - start)
        self._side.again.append(self._usual.apply(version).seconds)
        with Users(self._address) as users:
            start = time.monotonic()
            self._usual.apply(before)
            users.wait_for(before)
            self._side.back.append(users.first(before, start))
        self._usual.apply(version)
        self._say(f"  usual, {version}: {self._side.good[-1]}, back {self._side.back[-1]:.2f} s")

    def bad(self, kind: str, live: str, version: str) -> None:
        """Release what is broken, and go back as soon as the command has ended."""
        with Users(self._address) as users:
            if kind == UNREADY:
                self._usual.apply(live, _NOWHERE)
            else:
                self._usual.bake(version)
                self._usual.apply(version)
            self._usual.apply(live)
            users.wait_for(live)
        self._side.outages[kind] = users.outage(live)
        self._say(f"  usual, {kind}: {self._side.outages[kind]:.1f} s of outage")


def _good(side: Side, users: Users, version: str, start: float, total: float) -> None:
    first = users.first(version, start)
    side.good.append({FIRST: first, TOTAL: total, LOST: users.lost, GAP: users.longest_gap})


def _world(checkout: Checkout) -> object:
    """What a release of what is live has to leave as it is."""
    now = checkout.status()
    return now["in_sync"], now["live"], now["standby"], checkout.reference


def _without_database(checkout: Checkout) -> None:
    path = checkout.folder / "slipway.toml"
    path.write_text(re.sub(r"^\[database\]\n(?:(?!\[).*\n?)*", "", path.read_text(), flags=re.MULTILINE))
    checkout.git("commit", "--quiet", "--message", "Without a database", "--", "slipway.toml")


@contextmanager
def _a_mistake(checkout: Checkout, statement: str) -> Iterator[None]:
    """A mistake in the app that shows where it is released, and in no test of an image."""
    wrong = f'if settings.Release != "unknown" {{\n\t\t{statement}\n\t}}\n\t{_START}'
    checkout.change("app/main.go", _START, wrong, "A mistake")
    yield
    checkout.git("revert", "--no-edit", "HEAD")
