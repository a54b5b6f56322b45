"""A fresh clone of the project and a local cloud of its own, both gone afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.e2e.checkout import Checkout, clone
from tests.support import own_cloud


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """What a new user has: a clone, and nothing made yet but packages, and the tools in the user's cache."""
    folder = tmp_path_factory.mktemp("clone") / "project"
    clone(folder)
    with own_cloud("e2e") as cloud:
        yield Checkout(folder, cloud)
        # The rest stays in pytest's own folder for a while: evidence of what failed.
        shutil.rmtree(folder / ".venv", ignore_errors=True)
