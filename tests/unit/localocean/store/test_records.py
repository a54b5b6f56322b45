"""What records have in common."""

from __future__ import annotations

import re

from localocean.store.records import now


def test_times_are_whole_seconds() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", now())
