"""Verbs for who develops this repository: its checks and its tests."""

from __future__ import annotations

import os
import sys

from devtools import suites
from slipway.progress import Progress
from slipway.project import Project
from slipway.tools.programs.environment import EVERYTHING
from slipway.tools.toolchain import Toolchain
from slipway.verbs.verb import ROOT, attached, verb


@verb()
def check() -> None:
    """Check style, types and format of everything in the project."""
    from devtools import checks

    toolchain = Toolchain.from_environment(ROOT, os.environ, Project.load(ROOT).toolchain)
    checks.check(ROOT, toolchain, Progress().say)


@verb(
    name="all",
    only="one suite: " + ", ".join(suites.SUITES),
    coverage="count the lines of slipway and the local cloud that the suites reach in their own processes",
)
def test(only: str | None = None, coverage: bool = False) -> None:
    """Run every test, from linters to releases on real machines that are killed halfway; or one suite."""
    place = suites.Place(ROOT, Toolchain.from_environment(ROOT, os.environ), coverage)
    suites.run(place, Progress(), only)


@verb()
def update() -> None:
    """Renew Python's lock, the app's Go modules and the pins of the workflows' actions; git tells what changed."""
    from devtools.update import update as renew

    toolchain = Toolchain.from_environment(ROOT, os.environ, Project.load(ROOT).toolchain)
    renew(ROOT, toolchain, Progress())


@verb()
def package() -> None:
    """Build the wheels slipway-deploy and localocean into dist/."""
    from devtools.package import build

    build(ROOT, ROOT / "dist", Progress().say)


@verb(name="upstream", match="a regular expression: only the tests whose names match it")
def upstream(match: str | None = None) -> None:
    """Run the provider's own acceptance tests against a local cloud; write docs/fidelity.md."""
    attached([sys.executable, "-m", "tests.upstream", *([match] if match else [])], EVERYTHING)
