"""Every test there is, from the quick ones to whole releases, in one run.

The suites run in stages, and a stage that fails ends the run. Suites with machines mostly wait for boots and servers,
so several of them run side by side, each with a cloud of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devtools import checks
from slipway.errors import PipelineError
from slipway.progress import Progress
from slipway.tools.programs import host
from slipway.tools.programs.environment import EVERYTHING, compose
from slipway.tools.programs.process import show
from slipway.tools.toolchain import RELEASE_TOOLS, TERRAFORM_TOOLS, VAULT_TOOLS, Toolchain

ON_DISK = "/var/tmp"
"""/tmp may be in memory, and too small for the environments of the clones that several suites make at once."""
TEARDOWN_S = 120.0
"""What a suite that is interrupted gets to end its cloud."""


@dataclass(frozen=True)
class Place:
    """Where the suites run and with which tools; ``coverage`` counts the lines that they reach."""

    root: Path
    toolchain: Toolchain
    coverage: bool = False


Suite = Callable[[Place, Progress], None]


def _check(place: Place, progress: Progress) -> None:
    checks.check(place.root, place.toolchain, progress.say)


def _tools(place: Place, progress: Progress) -> None:
    """Build what the suites with machines need: beside them it would take five times as long, and slow them down."""
    place.toolchain.ensure((*RELEASE_TOOLS, *VAULT_TOOLS), progress.detail)


def _app(place: Place, progress: Progress) -> None:
    env = place.toolchain.environment("go")
    show([str(place.toolchain.go()), "test", "./..."], cwd=place.root / "app", env=env, say=progress.relay)


def _pytest(
    *patterns: str,
    as_root: bool = False,
    on_all_cores: bool = False,
    packages: Sequence[str] = (),
    tools: Sequence[str] = (),
) -> Suite:
    def run(place: Place, progress: Progress) -> None:
        host.ensure_packages(packages, progress.detail)
        place.toolchain.ensure(tools, progress.detail)
        become = ["sudo", "--preserve-env"] if as_root and os.geteuid() != 0 else []
        files = [str(path) for pattern in patterns for path in sorted((place.root / "tests").glob(pattern))]
        measured = ["-m", "coverage", "run", "--parallel-mode"] if place.coverage else []
        workers = ["-n", "auto"] if on_all_cores and not place.coverage else []  # what workers reach is not counted
        tests = [*become, sys.executable, *measured, "-m", "pytest", *workers, *files]
        env = {**compose(EVERYTHING), "SLIPWAY_CACHE": str(place.toolchain.cache), "TMPDIR": ON_DISK}
        show(tests, cwd=place.root, env=env, say=progress.relay, patience=TEARDOWN_S)

    return run


SUITES: dict[str, Suite] = {
    "check": _check,
    "tools": _tools,
    "app": _app,
    "unit": _pytest("unit", on_all_cores=True),
    "fuzz": _pytest("fuzz"),
    "machines": _pytest("machines", as_root=True),
    "contract": _pytest("contract/test_[!d]*.py", as_root=True, packages=["openssh-client"], tools=TERRAFORM_TOOLS),
    "droplets": _pytest("contract/test_d*.py", as_root=True, packages=["openssh-client"]),
    "data": _pytest("data", as_root=True, tools=VAULT_TOOLS),
    "releases": _pytest("e2e/test_releases.py", "e2e/test_neighbours.py", "e2e/test_the_end.py"),
    "refusals": _pytest("e2e/test_refusals.py", "e2e/test_leftovers.py", "e2e/test_first_release.py"),
    "schema": _pytest("e2e/test_schema.py"),
    "way-back": _pytest("e2e/test_way_back.py"),
    "providers": _pytest("e2e/test_providers.py", tools=RELEASE_TOOLS),
    "apps": _pytest("e2e/test_any_app.py", tools=RELEASE_TOOLS),
    "secrets": _pytest("e2e/test_secrets.py", "e2e/test_vault.py", tools=VAULT_TOOLS),
    "chaos": _pytest("chaos", as_root=True, tools=RELEASE_TOOLS),
}

STAGES = (
    (("check", "tools"),),
    (("app", "fuzz"), ("unit",)),
    (
        ("machines", "contract", "apps"),
        ("data", "secrets", "refusals", "providers"),
        ("releases",),
        ("schema", "way-back"),
        ("chaos", "droplets"),
    ),
)
"""The suites of each stage, in lanes that run at once, each from left to right."""


def run(place: Place, progress: Progress, only: str | None) -> None:
    """Run all suites, or the one asked for; raises PipelineError for those that fail or for one that there is not."""
    if only and only not in SUITES:
        raise PipelineError(f"There is no suite {only!r}.", f"There are: {', '.join(SUITES)}.")

    def one(name: str, progress: Progress) -> None:
        with progress.step(f"suite {name}"):
            SUITES[name](place, progress)

    def lane(names: Iterable[str]) -> list[str]:
        failed = []
        for name in names:
            progress = Lane(name)
            try:
                one(name, progress)
            except PipelineError as error:
                progress.warn(f"{error.message} {error.hint}".rstrip())
                failed.append(name)
        return failed

    with _counted(place, progress):
        if only:
            one(only, progress)
            return
        for lanes in STAGES:
            with ThreadPoolExecutor(len(lanes)) as pool:
                failed = [name for names in pool.map(lane, lanes) for name in names]
            if failed:
                raise PipelineError(f"These suites failed: {', '.join(failed)}.", f"./invoke test --only {failed[0]}")


@contextmanager
def _counted(place: Place, progress: Progress) -> Iterator[None]:
    """With coverage: the lines that the suites in between reached, by file, at the end."""
    coverage = [sys.executable, "-m", "coverage"]
    if place.coverage:
        show([*coverage, "erase"], cwd=place.root)
    yield
    if place.coverage:
        show([*coverage, "combine", "--quiet"], cwd=place.root)
        show([*coverage, "report", "--skip-covered", "--show-missing"], cwd=place.root, say=progress.say)


class Lane(Progress):
    """What one of several suites at once says: each line with the suite's name before it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.relay = self.say

    def say(self, text: str) -> None:
        """A line of its own."""
        super().say(f"{self._name:>8} │ {text}")
