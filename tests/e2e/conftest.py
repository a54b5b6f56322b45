"""A fresh clone of the project and a local cloud of its own, both gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.checkout import Checkout
from tests.support import own_cloud

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """What a new user has: a clone, and nothing made yet but the tools in the user's cache."""
    folder = tmp_path_factory.mktemp("clone") / "project"
    _clone(folder)
    with own_cloud("e2e") as cloud:
        yield Checkout(folder, cloud)
        # The rest stays in pytest's own folder for a while: evidence of what failed.
        shutil.rmtree(folder / ".venv", ignore_errors=True)


def _clone(folder: Path) -> None:
    """The project as it stands in this work tree, committed or not, as one repository."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
        else:
            target.unlink(missing_ok=True)
    for key, value in (("user.name", "tester"), ("user.email", "tester@example.com"), ("commit.gpgsign", "false")):
        subprocess.run(["git", "config", key, value], cwd=folder, check=True)
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
    subprocess.run(["git", "commit", "--quiet", "--allow-empty", "--message", "As tested"], cwd=folder, check=True)
    assert os.access(folder / "invoke", os.X_OK)
