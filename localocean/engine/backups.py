"""When a droplet's backups are due, and how long they are kept: DigitalOcean's two plans.

Source: DigitalOcean's API description, droplet_backup_policy. Nothing here makes a backup; a control does.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from localocean.engine.errors import Unprocessable

DAILY, WEEKLY = "daily", "weekly"
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
HOURS = (0, 4, 8, 12, 16, 20)
WINDOW_HOURS = 4
RETENTION_DAYS = {DAILY: 7, WEEKLY: 28}
KEPT = {DAILY: 7, WEEKLY: 4}
"""How many backups of a droplet there are at most: a new one takes the place of the oldest."""
DEFAULT = {"plan": DAILY, "hour": 0}


def policy(wanted: object) -> dict[str, Any]:
    """A policy as it is kept, of what a caller sent; nothing means daily. Raises Unprocessable."""
    if wanted is None:
        return dict(DEFAULT)
    if not isinstance(wanted, Mapping):
        raise Unprocessable("backup_policy must be an object.")
    plan, hour = wanted.get("plan") or DAILY, wanted.get("hour") or 0
    if plan not in (DAILY, WEEKLY):
        raise Unprocessable("backup_policy.plan must be daily or weekly.")
    if not isinstance(hour, int) or hour not in HOURS:
        raise Unprocessable(f"backup_policy.hour must be one of {', '.join(map(str, HOURS))}.")
    if plan == DAILY:
        return {"plan": plan, "hour": hour}
    weekday = wanted.get("weekday") or DAYS[0]
    if weekday not in DAYS:
        raise Unprocessable(f"backup_policy.weekday must be one of {', '.join(DAYS)}.")
    return {"plan": plan, "weekday": weekday, "hour": hour}


def describe(policy: Mapping[str, Any]) -> dict[str, Any]:
    """A policy as it is shown."""
    plan = policy["plan"]
    return {**policy, "window_length_hours": WINDOW_HOURS, "retention_period_days": RETENTION_DAYS[plan]}


def next_window(policy: Mapping[str, Any], now: datetime | None = None) -> dict[str, str]:
    """The next time at which a backup would begin at DigitalOcean."""
    now = now or datetime.now(UTC)
    start = now.replace(hour=policy["hour"], minute=0, second=0, microsecond=0)
    while start <= now or ("weekday" in policy and DAYS[start.isoweekday() % 7] != policy["weekday"]):
        start += timedelta(days=1)
    return {"start": _text(start), "end": _text(start + timedelta(hours=WINDOW_HOURS))}


def _text(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
