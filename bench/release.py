"""`./invoke build deploy` of a new version, beside the same work by hand: every verification is part of both."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bench.by_hand import ByHand
from bench.figures import Comparison, Run, Side, in_turn
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.tools.programs.process import environment
from tests.e2e.checkout import Checkout, ask, clone
from tests.support import own_cloud

TARGET = 1.15
_STEP = re.compile(r"^  ✓ (?P<title>.+) · (?P<seconds>[\d.]+) s$", re.MULTILINE)


def compare(root: Path, rounds: int, say: Callable[[str], None]) -> Comparison:
    """Time both, in a clone and on a cloud of its own; both go on from whatever the other made live."""
    with tempfile.TemporaryDirectory(prefix="bench-release-") as folder, own_cloud("bench") as settings:
        checkout = Checkout(Path(folder) / "project", settings)
        clone(checkout.folder)
        by_pipeline = partial(timed, checkout, "build", "deploy", "--version")
        for name in ("w1", "w2"):  # from the third on, each release retires one, and the tools and Go's cache are there
            say(f"release {name}, not counted")
            by_pipeline(name)
        with environment(settings):
            hand = ByHand(Session(checkout.folder, settings))
            versions = iter(range(1, 2 * rounds + 1))

            def watched(release: Callable[[str], Run]) -> Callable[[], Run]:
                return lambda: _released(checkout, f"v{next(versions)}", release)

            ours, yardstick = in_turn(rounds, watched(by_pipeline), watched(hand.release), say)
    return Comparison(
        "A new version, from its sources to verified behind the floating IP",
        Side("./invoke build deploy", ours),
        Side("by hand", yardstick),
        TARGET,
    )


def timed(checkout: Checkout, *verbs: str) -> Run:
    """`./invoke …`, which has to succeed, and the steps that it tells of."""
    start = time.monotonic()
    result = checkout.call(*verbs)
    seconds = time.monotonic() - start
    if result.returncode != 0:
        raise PipelineError(f"./invoke {' '.join(verbs)} failed.", result.stderr[-2000:])
    return Run(seconds, _parts_of(result.stderr))


def _parts_of(said: str) -> Mapping[str, float]:
    """The names of all versions are made one."""
    steps = ((step["title"], float(step["seconds"])) for step in _STEP.finditer(said))
    return {_without_version(title): seconds for title, seconds in steps}


def _without_version(title: str) -> str:
    return re.sub(r"\b(app-)?[vw]\d+-[0-9a-f]{8,12}\b", "it", title.replace("remove the droplet of", "retire"))


def _released(checkout: Checkout, name: str, release: Callable[[str], Run]) -> Run:
    run = release(name)
    answer = ask(checkout.status()["floating_ip"])["version"]
    if answer != name:
        raise PipelineError(f"{name} was released, and {answer} answers.")
    return run
