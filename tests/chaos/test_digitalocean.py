"""DigitalOcean's own failures, one by one: what fails goes back cleanly, nothing is left, and the next run succeeds.

Each is played as a round whose failure is not drawn, and has to keep the promises of all rounds.
"""

from __future__ import annotations

import pytest

from tests.chaos.__main__ import tell
from tests.chaos.draw import chosen
from tests.chaos.harness import Harness

pytestmark = [pytest.mark.e2e, pytest.mark.host]

OWN = (
    ("rollback", "pending event on assign"),
    ("retire", "pending event on delete"),
    ("set", "429 on droplets"),
    ("set", "429 with Retry-After"),
    ("set", "500 on droplets"),
    ("set", "503 on droplets"),
    ("set", "504 on droplets"),
    ("set", "504, yet created"),
    ("set", "rate limit in mid-apply"),
    ("set", "errored create"),
    ("rollback", "errored assign"),
    ("set", "slow boot"),
    ("rollback", "lost move"),
    ("set", "candidate vanishes"),
    ("soak", "way back, 503"),
    ("soak", "way back, lost answer"),
)


@pytest.mark.parametrize(("operation", "failure"), OWN, ids=[failure for _, failure in OWN])
def test_it_goes_back_and_the_next_run_succeeds(harness: Harness, operation: str, failure: str) -> None:
    outcome = harness.play(chosen(900 + OWN.index((operation, failure)), operation, failure))
    tell(outcome)
    assert outcome.broken == [], str(outcome)
