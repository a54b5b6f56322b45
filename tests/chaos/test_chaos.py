"""Drawn rounds for every run of the tests, 20 with those of DigitalOcean's own failures.

SLIPWAY_CHAOS_SEED and SLIPWAY_CHAOS_ROUNDS change them.
"""

from __future__ import annotations

import os

import pytest

from tests.chaos.__main__ import tell
from tests.chaos.draw import draw
from tests.chaos.harness import Harness

pytestmark = [pytest.mark.e2e, pytest.mark.host]

SEED = int(os.environ.get("SLIPWAY_CHAOS_SEED", "1"))
ROUNDS = int(os.environ.get("SLIPWAY_CHAOS_ROUNDS", "6"))


@pytest.mark.parametrize("number", range(1, ROUNDS + 1))
def test_every_promise_is_kept(harness: Harness, number: int) -> None:
    outcome = harness.play(draw(SEED, number))
    tell(outcome)
    assert outcome.broken == [], f"seed {SEED}, {outcome}"
