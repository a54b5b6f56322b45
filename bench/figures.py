"""Two ways to the same end, timed in turn on the same machine, and the ratio between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

HEADINGS = ("", "median", "min", "max")


@dataclass(frozen=True)
class Run:
    """One measurement in seconds, and the parts of it that were timed by themselves."""

    seconds: float
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Side:
    """One of the two ways: its name and its measurements."""

    name: str
    runs: Sequence[Run]

    @property
    def seconds(self) -> list[float]:
        """The measurements alone."""
        return [run.seconds for run in self.runs]

    def parts(self) -> dict[str, float]:
        """The median of each part, in the order in which the parts were timed."""
        names = dict.fromkeys(name for run in self.runs for name in run.parts)
        return {name: median(run.parts[name] for run in self.runs if name in run.parts) for name in names}


@dataclass(frozen=True)
class Comparison:
    """Ours beside the yardstick; ``target`` is the highest ratio that is claimed."""

    title: str
    ours: Side
    yardstick: Side
    target: float

    @property
    def ratio(self) -> float:
        """Ours divided by the yardstick, medians both."""
        return median(self.ours.seconds) / median(self.yardstick.seconds)

    def as_json(self) -> dict[str, object]:
        """Everything that was measured."""
        sides = {"ours": self.ours, "yardstick": self.yardstick}
        return {
            "title": self.title,
            **{key: {"name": s.name, "seconds": s.seconds, "parts": s.parts()} for key, s in sides.items()},
            "ratio": self.ratio,
            "target": self.target,
        }

    def render(self) -> str:
        """A table for people."""
        rows = [HEADINGS]
        for side in (self.ours, self.yardstick):
            rows.append((side.name, *_three(side.seconds)))
            rows += [(f"  {name}", f"{seconds:.2f} s", "", "") for name, seconds in side.parts().items()]
        width = max(len(row[0]) for row in rows)
        table = "\n".join(f"{row[0]:{width}}" + "".join(f"{cell:>10}" for cell in row[1:]) for row in rows)
        verdict = "met" if self.ratio <= self.target else "MISSED"
        end = f"ratio of the medians {self.ratio:.2f}, target at most {self.target:.2f}: {verdict}"
        return f"{self.title}; rounds: {len(self.ours.runs)}\n\n{table}\n\n{end}"


class Stopwatch:
    """Adds up what is timed; whatever happens between two timings does not count."""

    def __init__(self) -> None:
        self._parts: dict[str, float] = {}

    @contextmanager
    def time(self, part: str) -> Iterator[None]:
        """Time the block as a part of the run."""
        start = time.monotonic()
        yield
        self._parts[part] = time.monotonic() - start

    @property
    def run(self) -> Run:
        """All parts together."""
        return Run(sum(self._parts.values()), self._parts)


def in_turn(
    rounds: int, ours: Callable[[], Run], yardstick: Callable[[], Run], say: Callable[[str], None]
) -> tuple[list[Run], list[Run]]:
    """Time both sides `rounds` times; who goes first changes with each round, so that neither gains by its place."""
    measured: dict[str, list[Run]] = {"ours": [], "yardstick": []}
    for number in range(rounds):
        sides = [("ours", ours), ("yardstick", yardstick)]
        for name, side in sides if number % 2 == 0 else reversed(sides):
            measured[name].append(side())
            say(f"  round {number + 1} of {rounds}, {name}: {measured[name][-1].seconds:.2f} s")
    return measured["ours"], measured["yardstick"]


def _three(seconds: Sequence[float]) -> tuple[str, str, str]:
    return f"{median(seconds):.2f} s", f"{min(seconds):.2f} s", f"{max(seconds):.2f} s"
