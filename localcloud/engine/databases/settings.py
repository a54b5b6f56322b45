"""What of a cluster can be set: the maintenance window, options of PostgreSQL, and growth that is only remembered."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.engine.errors import Unprocessable

DAY, HOUR = "sunday", "03:00:00"
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "any")
HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")


@dataclass(frozen=True)
class Number:
    """An option that is a number within bounds; PostgreSQL takes it in this unit."""

    default: int | float
    least: int | float
    most: int | float
    unit: str = ""


@dataclass(frozen=True)
class Choice:
    """An option that is one of some words or truths."""

    default: str | bool
    choices: tuple[str | bool, ...]


# DigitalOcean's names, bounds and units; those that PostgreSQL takes up without a restart.
OPTIONS: dict[str, Number | Choice] = {
    "autovacuum_analyze_scale_factor": Number(0.1, 0, 1),
    "autovacuum_analyze_threshold": Number(50, 0, 2147483647),
    "autovacuum_naptime": Number(60, 1, 86400, "s"),
    "autovacuum_vacuum_cost_delay": Number(2, -1, 100, "ms"),
    "autovacuum_vacuum_cost_limit": Number(-1, -1, 10000),
    "autovacuum_vacuum_scale_factor": Number(0.2, 0, 1),
    "autovacuum_vacuum_threshold": Number(50, 0, 2147483647),
    "bgwriter_delay": Number(200, 10, 10000, "ms"),
    "bgwriter_lru_maxpages": Number(100, 0, 1073741823),
    "bgwriter_lru_multiplier": Number(2.0, 0, 10),
    "deadlock_timeout": Number(1000, 500, 1800000, "ms"),
    "default_toast_compression": Choice("pglz", ("lz4", "pglz")),
    "idle_in_transaction_session_timeout": Number(0, 0, 604800000, "ms"),
    "jit": Choice(True, (True, False)),
    "log_autovacuum_min_duration": Number(600000, -1, 2147483647, "ms"),
    "log_error_verbosity": Choice("DEFAULT", ("TERSE", "DEFAULT", "VERBOSE")),
    "log_min_duration_statement": Number(-1, -1, 86400000, "ms"),
    "max_parallel_workers": Number(8, 0, 96),
    "max_parallel_workers_per_gather": Number(2, 0, 96),
    "temp_file_limit": Number(-1, -1, 2147483647, "kB"),
    "track_io_timing": Choice("off", ("off", "on")),
    "work_mem": Number(4, 1, 1024, "MB"),
}


def window(day: str, hour: str) -> dict[str, str]:
    """A maintenance window as it is kept: the hour with seconds. Raises Unprocessable."""
    if day.lower() not in DAYS:
        raise Unprocessable(f"invalid day: one of {', '.join(DAYS)}")
    if not HOURS.fullmatch(hour):
        raise Unprocessable("invalid hour: HH:MM in UTC")
    return {"maintenance_day": day.lower(), "maintenance_hour": hour if hour.count(":") == 2 else f"{hour}:00"}


def config(values: object) -> dict[str, Any]:
    """Options as they are kept. Raises Unprocessable for one that is not here, or cannot be so."""
    if not isinstance(values, Mapping):
        raise Unprocessable("config must be an object")
    for name, value in values.items():
        option = OPTIONS.get(name)
        if option is None:
            raise Unprocessable(f"the local cloud cannot set {name} of PostgreSQL")
        if isinstance(option, Choice) and not any(value == one and type(value) is type(one) for one in option.choices):
            raise Unprocessable(f"invalid {name}: one of {', '.join(map(str, option.choices)).lower()}")
        if isinstance(option, Number) and not _within(option, value):
            raise Unprocessable(f"invalid {name}: {option.least} to {option.most}")
    return dict(values)


def statements(values: Mapping[str, Any]) -> str:
    """The SQL that makes a server follow options, from now on and after each start."""
    lines = [f"ALTER SYSTEM SET {name} = '{_text(name, value)}'" for name, value in sorted(values.items())]
    return ";\n".join([*lines, "SELECT pg_reload_conf()"])


def defaults() -> dict[str, Any]:
    """What each option is when nobody has set it."""
    return {name: option.default for name, option in OPTIONS.items()}


def autoscale(values: object) -> dict[str, Any]:
    """How the storage would grow, as it is kept. Raises Unprocessable."""
    storage = values.get("storage") if isinstance(values, Mapping) else None
    if not isinstance(storage, Mapping) or not isinstance(storage.get("enabled"), bool):
        raise Unprocessable("storage.enabled is required")
    bounds = {"threshold_percent": Number(80, 15, 95), "increment_gib": Number(10, 10, 500)}
    kept: dict[str, Any] = {"enabled": storage["enabled"]}
    for name in (name for name in bounds if storage.get(name) is not None):
        if type(storage[name]) is not int or not _within(bounds[name], storage[name]):
            raise Unprocessable(f"invalid {name}: {bounds[name].least} to {bounds[name].most}")
        kept[name] = storage[name]
    return {"storage": kept}


def _within(option: Number, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if isinstance(option.default, int) else int | float):
        return False
    return option.least <= value <= option.most


def _text(name: str, value: Any) -> str:
    option = OPTIONS[name]
    if isinstance(option, Choice):
        return str(value).lower()
    return f"{value}{option.unit if value >= 0 else ''}"


def password() -> str:
    """One that needs no escaping in a URL."""
    return f"AVNS_{secrets.token_urlsafe(18)}"
