"""Moments and lengths of time as people and APIs write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from slipway.errors import PipelineError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def age(text: str) -> float:
    """Seconds of a text such as 26h; raises PipelineError for another."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if not match:
        raise PipelineError(f"{ascii(text)} is not an age.", "A number and s, m, h or d, such as 26h.")
    return int(match.group(1)) * _UNITS[match.group(2)]


MILLISECONDS = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m)"


def milliseconds(text: object) -> float:
    """A duration such as 500ms, 2s or 1m, in milliseconds; raises PipelineError for anything else."""
    match = re.fullmatch(MILLISECONDS, text) if isinstance(text, str) else None
    if not match:
        raise PipelineError(f"{ascii(text)} is not a duration.", "A number and ms, s or m, such as 500ms.")
    return float(match[1]) * {"ms": 1, "s": 1000, "m": 60_000}[match[2]]


def moment(text: str) -> datetime | None:
    """A time in RFC 3339 with its offset from UTC, as the API tells it; None for a text that tells none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo is not None and 1970 <= found.year < 3000 else None


def spell(seconds: float) -> str:
    """An age as a person says it."""
    for unit, length in reversed(_UNITS.items()):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
