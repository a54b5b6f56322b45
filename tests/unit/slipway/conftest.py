"""What all tests of the pipeline's modules have in common."""

from __future__ import annotations

import pytest

from slipway import redaction


@pytest.fixture(autouse=True)
def no_secrets_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process learns secrets for good; what one test learnt would be hidden in the next."""
    monkeypatch.setattr(redaction, "_known", set())
