"""`python -m tests.chaos --rounds 200 --seed 7`: things go wrong as the seed says; one line for each promise broken."""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tests.chaos.draw import draw
from tests.chaos.harness import Harness, Outcome, stage
from tests.support import own_cloud


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the rounds; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="how many (20)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="what is drawn from")
    parser.add_argument("--first", type=int, default=1, help="the number of the first round, to begin in the middle")
    parser.add_argument("--only", action="append", default=[], help="an operation or a failure; may be repeated")
    parser.add_argument("--minutes", type=float, default=0, help="begin no round after so many")
    parser.add_argument(
        "--folder", type=Path, help="keep checkout and cloud (that of LOCALOCEAN_…) there for the next call"
    )
    parser.add_argument("--json", action="store_true", help="the outcomes as JSON on standard output")
    given = parser.parse_args(arguments)
    numbers = range(given.first, given.first + given.rounds)
    _say(f"chaos: seed {given.seed}, rounds {numbers.start} to {numbers.stop - 1}")
    start = time.monotonic()
    with _stage(given.folder) as harness:
        outcomes = []
        for number in numbers:
            if given.minutes and time.monotonic() - start > given.minutes * 60:
                break
            outcomes.append(outcome := harness.play(draw(given.seed, number, given.only)))
            tell(outcome)
    _say(summary(given.seed, outcomes, time.monotonic() - start))
    if given.json:
        sys.stdout.write(
            json.dumps({"seed": given.seed, "rounds": [asdict(each) for each in outcomes]}, indent=2) + "\n"
        )
    return 1 if any(each.broken for each in outcomes) else 0


def tell(outcome: Outcome) -> None:
    """A line for the round, and one for each broken promise."""
    _say(str(outcome))
    for promise in outcome.broken:
        _say(f"          ✗ {promise}")


def summary(seed: int, outcomes: Sequence[Outcome], seconds: float) -> str:
    """How it went as a whole."""
    broken = sum(len(each.broken) for each in outcomes)
    struck = Counter(each.struck for each in outcomes)
    average = sum(each.seconds for each in outcomes) / max(len(outcomes), 1)
    return (
        f"chaos: seed {seed}: {len(outcomes)} rounds in {seconds:.0f} s, {average:.0f} s each; "
        f"{', '.join(f'{count} {word}' for word, count in struck.items())}; {broken} promises broken"
    )


@contextmanager
def _stage(folder: Path | None) -> Iterator[Harness]:
    if folder:
        cloud = {name: value for name, value in os.environ.items() if name.startswith("LOCALOCEAN_")}
        with stage(folder, cloud, _say, keep=True) as harness:
            yield harness
        return
    with (
        tempfile.TemporaryDirectory(prefix="slipway-chaos-", dir="/var/tmp") as place,
        own_cloud("chaos") as cloud,
        stage(Path(place), cloud, _say) as harness,
    ):
        yield harness


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
