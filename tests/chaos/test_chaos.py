"""A bounded number of rounds for every run of the tests. SLIPWAY_CHAOS_SEED and SLIPWAY_CHAOS_ROUNDS change them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.__main__ import tell
from tests.chaos.draw import draw
from tests.chaos.harness import Harness, stage
from tests.support import own_cloud

pytestmark = [pytest.mark.e2e, pytest.mark.host]

SEED = int(os.environ.get("SLIPWAY_CHAOS_SEED", "1"))
ROUNDS = int(os.environ.get("SLIPWAY_CHAOS_ROUNDS", "20"))


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """Two releases on a cloud of their own."""
    place: Path = tmp_path_factory.mktemp("chaos")
    with own_cloud("chaos") as cloud, stage(place, cloud, lambda text: None) as harness:
        yield harness


@pytest.mark.parametrize("number", range(1, ROUNDS + 1))
def test_every_promise_is_kept(harness: Harness, number: int) -> None:
    outcome = harness.play(draw(SEED, number))
    tell(outcome)
    assert outcome.broken == [], f"seed {SEED}, {outcome}"
