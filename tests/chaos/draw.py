"""What happens in each round, drawn from the seed: the same seed and number give the same round again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.failures import FAILURES, Failure
from tests.chaos.operations import OPERATIONS, Operation


@dataclass(frozen=True)
class Round:
    """An operation, what goes wrong in it, and when: so many seconds after it said that a step begins.

    ``step`` is empty for its very beginning. ``chance`` is for whatever else the failure has to choose (0 to 1).
    """

    number: int
    operation: Operation
    failure: Failure
    step: str
    delay: float
    chance: float

    @property
    def moment(self) -> str:
        """When it strikes, in words."""
        return f"{self.delay:.1f} s into “{self.step}”" if self.step else f"{self.delay:.1f} s after its start"


def draw(seed: int, number: int, only: Sequence[str] = ()) -> Round:
    """A round; ``only`` names the operations and failures to choose from, where they are not to be any."""
    dice = random.Random(f"{seed}:{number}")
    operations = [each for each in OPERATIONS if each.name in only] or OPERATIONS
    operation = dice.choices(operations, [each.weight for each in operations])[0]
    fitting = [each for each in FAILURES if operation.name in each.operations]
    failures = [each for each in fitting if each.name in only] or fitting
    failure = dice.choices(failures, [each.weight for each in failures])[0]
    steps = [step for step in operation.steps if not failure.steps or step in failure.steps]
    step = "" if failure.at_once else dice.choice(steps or [""])
    delay = 0.0 if failure.at_once else dice.uniform(0, operation.steps.get(step, 3.0))
    return Round(number, operation, failure, step, round(delay, 2), dice.random())


def chosen(number: int, operation: str, failure: str) -> Round:
    """A round of which only the moment is drawn, by its number."""
    return draw(0, number, [operation, failure])
