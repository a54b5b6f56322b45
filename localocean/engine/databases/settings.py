"""What of a cluster can be set: the maintenance window, options of PostgreSQL, and growth that is only remembered."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localocean.engine.databases.catalogue import SIZES
from localocean.engine.errors import Unprocessable
from localocean.host.postgres.seed import connections
from localocean.store.records import DatabaseCluster

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
    standby: bool = False
    """A standby must have at least what its primary has, or it stops to follow."""


@dataclass(frozen=True)
class Choice:
    """An option that is one of some words or truths."""

    default: str | bool
    choices: tuple[str | bool, ...]


@dataclass(frozen=True)
class Text:
    """An option that is a text of a form."""

    default: str
    form: re.Pattern[str]


SHARE = "shared_buffers_percentage"
"""The one option that has no name of its own in PostgreSQL: of the machine's memory."""

SHARE_DEFAULT = 20.0
BACKUP_HOUR, BACKUP_MINUTE = "backup_hour", "backup_minute"
OURS = (BACKUP_HOUR, BACKUP_MINUTE)
"""Options that are the cloud's, not the server's."""

LINES = (
    "pid=%p,user=%u,db=%d,app=%a,client=%h",
    "%m [%p] %q[user=%u,db=%d,app=%a]",
    "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h",
)
MOST = 2147483647

# DigitalOcean's names, bounds and units.
OPTIONS: dict[str, Number | Choice | Text] = {
    "autovacuum_analyze_scale_factor": Number(0.1, 0, 1),
    "autovacuum_analyze_threshold": Number(50, 0, 2147483647),
    "autovacuum_freeze_max_age": Number(200000000, 200000000, 1500000000),
    "autovacuum_max_workers": Number(3, 1, 20),
    "autovacuum_naptime": Number(60, 1, 86400, "s"),
    "autovacuum_vacuum_cost_delay": Number(2, -1, 100, "ms"),
    "autovacuum_vacuum_cost_limit": Number(-1, -1, 10000),
    "autovacuum_vacuum_scale_factor": Number(0.2, 0, 1),
    "autovacuum_vacuum_threshold": Number(50, 0, 2147483647),
    BACKUP_HOUR: Number(0, 0, 23),
    BACKUP_MINUTE: Number(0, 0, 59),
    "bgwriter_delay": Number(200, 10, 10000, "ms"),
    "bgwriter_flush_after": Number(512, 0, 2048, "kB"),
    "bgwriter_lru_maxpages": Number(100, 0, 1073741823),
    "bgwriter_lru_multiplier": Number(2.0, 0, 10),
    "deadlock_timeout": Number(1000, 500, 1800000, "ms"),
    "default_toast_compression": Choice("pglz", ("lz4", "pglz")),
    "idle_in_transaction_session_timeout": Number(0, 0, 604800000, "ms"),
    "jit": Choice(True, (True, False)),
    "log_autovacuum_min_duration": Number(600000, -1, 2147483647, "ms"),
    "log_error_verbosity": Choice("DEFAULT", ("TERSE", "DEFAULT", "VERBOSE")),
    "log_line_prefix": Choice(LINES[1], LINES),
    "log_min_duration_statement": Number(-1, -1, 86400000, "ms"),
    "max_connections": Number(25, 25, 1000, standby=True),
    "max_files_per_process": Number(1000, 1000, 4096),
    "max_locks_per_transaction": Number(64, 64, 6400, standby=True),
    "max_logical_replication_workers": Number(4, 4, 64),
    "max_parallel_workers": Number(8, 0, 96),
    "max_parallel_workers_per_gather": Number(2, 0, 96),
    "max_pred_locks_per_transaction": Number(64, 64, 640),
    "max_prepared_transactions": Number(0, 0, 10000, standby=True),
    "max_replication_slots": Number(20, 8, 64),
    "max_slot_wal_keep_size": Number(2048, -1, MOST, "MB"),
    "max_stack_depth": Number(2097152, 2097152, 6291456, "B"),
    "max_standby_archive_delay": Number(30000, 1, 43200000, "ms"),
    "max_standby_streaming_delay": Number(30000, 1, 43200000, "ms"),
    "max_wal_senders": Number(20, 20, 64, standby=True),
    "max_worker_processes": Number(8, 8, 96, standby=True),
    SHARE: Number(SHARE_DEFAULT, 20, 60),
    "temp_file_limit": Number(-1, -1, 2147483647, "kB"),
    "timezone": Text("UTC", re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}")),
    "track_activity_query_size": Number(1024, 1024, 10240, "B"),
    "track_commit_timestamp": Choice("off", ("off", "on")),
    "track_functions": Choice("none", ("all", "pl", "none")),
    "track_io_timing": Choice("off", ("off", "on")),
    "wal_sender_timeout": Number(60000, 0, 10800000, "ms"),
    "wal_writer_delay": Number(200, 10, 200, "ms"),
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
        if isinstance(option, Text) and not (isinstance(value, str) and option.form.fullmatch(value)):
            raise Unprocessable(f"invalid {name}: {value!r}")
    return dict(values)


def statements(values: Mapping[str, Any], memory_mb: int) -> str:
    """The SQL that makes a server in a machine of that memory follow options, from now on and after each start."""
    lines = []
    for name, value in sorted(values.items()):
        if name == SHARE:
            lines.append(f"ALTER SYSTEM SET shared_buffers = '{int(memory_mb * value / 100)}MB'")
        elif name not in OURS:
            lines.append(f"ALTER SYSTEM SET {name} = '{_text(name, value)}'")
    return ";\n".join([*lines, "SELECT pg_reload_conf()"])


def for_standby(values: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The options for a standby: none of those that it must have as its primary has is lowered."""
    return {name: max(value, before[name]) if _held(name) else value for name, value in values.items()}


def _held(name: str) -> bool:
    option = OPTIONS[name]
    return isinstance(option, Number) and option.standby


def effective(cluster: DatabaseCluster) -> dict[str, Any]:
    """What each option of a cluster is; those that nobody has set follow from its size and age, or are PostgreSQL's."""
    own = {"max_connections": connections(SIZES[cluster.size].memory), **backup_time(cluster)}
    return {**{name: option.default for name, option in OPTIONS.items()}, **own, **cluster.config}


def backup_time(cluster: DatabaseCluster) -> dict[str, int]:
    """The hour and minute of a cluster's backups: those at which it was made, unless somebody chose others."""
    made = {BACKUP_HOUR: int(cluster.created_at[11:13]), BACKUP_MINUTE: int(cluster.created_at[14:16])}
    return {name: cluster.config.get(name, value) for name, value in made.items()}


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
    if not isinstance(option, Number):
        return str(value) if isinstance(option, Text) else str(value).lower()
    return f"{value}{option.unit if value >= 0 else ''}"


def password() -> str:
    """One that needs no escaping in a URL."""
    return f"AVNS_{secrets.token_urlsafe(18)}"
