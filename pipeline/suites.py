"""Every test there is, from the quick ones to whole releases, in one run that ends with the first suite that fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.progress import Progress
from pipeline.tools import checks, host
from pipeline.tools.process import show
from pipeline.tools.toolchain import Toolchain

Suite = Callable[[Path, Toolchain, Progress], None]


def _check(root: Path, toolchain: Toolchain, progress: Progress) -> None:
    checks.check(root, toolchain, progress.say)


def _app(root: Path, toolchain: Toolchain, progress: Progress) -> None:
    show([str(toolchain.go()), "test", "./..."], cwd=root / "app", env=toolchain.environment("go"))


def _pytest(folder: str, *, as_root: bool = False, packages: Sequence[str] = ()) -> Suite:
    def run(root: Path, toolchain: Toolchain, progress: Progress) -> None:
        host.ensure_packages(packages, progress.detail)
        become = ["sudo", "--preserve-env"] if as_root and os.geteuid() != 0 else []
        show([*become, sys.executable, "-m", "pytest", str(root / "tests" / folder)], cwd=root)

    return run


SUITES: dict[str, Suite] = {
    "check": _check,
    "app": _app,
    "unit": _pytest("unit"),
    "fuzz": _pytest("fuzz"),
    "machines": _pytest("machines", as_root=True),
    "contract": _pytest("contract", as_root=True, packages=["openssh-client"]),
    "data": _pytest("data", as_root=True),
    "e2e": _pytest("e2e"),
}


def run(root: Path, toolchain: Toolchain, progress: Progress, only: str | None) -> None:
    """Run all suites, or the one asked for; raises PipelineError for one that fails or that there is none of."""
    if only and only not in SUITES:
        raise PipelineError(f"There is no suite {only!r}.", f"There are: {', '.join(SUITES)}.")
    for name in [only] if only else SUITES:
        with progress.step(f"suite {name}"):
            SUITES[name](root, toolchain, progress)
