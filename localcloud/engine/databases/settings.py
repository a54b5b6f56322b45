"""What of a cluster can be set: the maintenance window, and options of PostgreSQL."""

from __future__ import annotations

import re

from localcloud.engine.errors import Unprocessable

DAY, HOUR = "sunday", "03:00:00"
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "any")
HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")


def window(day: str, hour: str) -> dict[str, str]:
    """A maintenance window as it is kept: the hour with seconds. Raises Unprocessable."""
    if day.lower() not in DAYS:
        raise Unprocessable(f"invalid day: one of {', '.join(DAYS)}")
    if not HOURS.fullmatch(hour):
        raise Unprocessable("invalid hour: HH:MM in UTC")
    return {"maintenance_day": day.lower(), "maintenance_hour": hour if hour.count(":") == 2 else f"{hour}:00"}
