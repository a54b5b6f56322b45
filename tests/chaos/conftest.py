"""Two releases on a cloud of their own, for all rounds of a run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.harness import Harness, stage
from tests.support import own_cloud


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """Two releases on a cloud of their own."""
    place: Path = tmp_path_factory.mktemp("chaos")
    with own_cloud("chaos") as cloud, stage(place, cloud, lambda text: None) as harness:
        yield harness
        # The rest stays in pytest's own folder for a while: evidence of what failed.
        shutil.rmtree(harness.scene.checkout.folder / ".venv", ignore_errors=True)
