"""Lengths of time as people write them: 26h, 7d."""

from __future__ import annotations

import re
from datetime import datetime

from slipway import shape
from slipway.errors import PipelineError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def age(text: str) -> float:
    """Seconds of a text such as 26h; raises PipelineError for another."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if not match:
        raise PipelineError(f"{ascii(text)} is not an age.", "A number and s, m, h or d, such as 26h.")
    return int(match.group(1)) * _UNITS[match.group(2)]


def moment(text: str) -> datetime | None:
    """A time in RFC 3339 as the API tells it; None for a text that tells none."""
    try:
        found: datetime = shape.moment(text)
    except shape.Malformed:
        return None
    return found


def spell(seconds: float) -> str:
    """An age as a person says it."""
    for unit, length in reversed(_UNITS.items()):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
