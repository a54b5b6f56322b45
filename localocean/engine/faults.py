"""Faults on demand: what goes wrong at DigitalOcean now and then goes wrong here when somebody asks for it.

A fault waits for what it is about, strikes so often as it was told, and is gone. Faults are remembered by the server
alone: a reset or a restart ends them all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from itertools import count
from typing import Any

from localocean.engine.errors import NotFound, Unprocessable

RESPONSE, ACTION, BOOT, NETWORK, MOVE = "response", "action", "boot", "network", "move"
HANG, ERROR, NEVER, SLOW, LOST, LATE, SILENT = "hang", "error", "never", "slow", "lost", "late", "silent"
STATUSES = (422, 429, 500, 503, 504)
# Per kind: which effects there are, and which other fields it takes.
KINDS: Mapping[str, tuple[tuple[str, ...], frozenset[str]]] = {
    RESPONSE: (("", LATE, LOST, SILENT), frozenset({"method", "path", "status", "retry_after", "seconds"})),
    ACTION: ((HANG, ERROR), frozenset({"type", "reason"})),
    BOOT: ((NEVER, SLOW, LOST), frozenset({"name", "seconds"})),
    NETWORK: ((LOST,), frozenset({"droplet_id", "database_id"})),
    MOVE: ((LOST,), frozenset({"address"})),
}
TEXTS = ("kind", "method", "path", "type", "effect", "name", "address", "reason", "database_id")
NUMBERS = ("status", "retry_after", "seconds", "droplet_id", "count")


@dataclass(frozen=True)
class Fault:
    """What is to go wrong. Patterns are those of a shell; `count` None is for ever, 0 that it has struck and holds."""

    id: int = 0
    kind: str = ""
    effect: str = ""
    method: str = "*"
    path: str = "*"
    status: int = 0
    retry_after: int | None = None
    type: str = "*"
    reason: str = "A fault was asked for."
    name: str = "*"
    seconds: int = 0
    address: str = "*"
    droplet_id: int = 0
    database_id: str = ""
    count: int | None = 1

    def shown(self) -> dict[str, Any]:
        """The fields that mean something for its kind."""
        effects, fields = KINDS[self.kind]
        wanted = {"id", "kind", "count", *fields, *(["effect"] if effects else [])}
        return {key: value for key, value in asdict(self).items() if key in wanted}


class Faults:
    """The faults that wait or hold. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._faults: list[Fault] = []

    def add(self, values: Mapping[str, Any]) -> Fault:
        """Raises Unprocessable when the values make no fault."""
        fault = replace(_checked(values), id=next(self._numbers))
        with self._lock:
            self._faults.append(fault)
        return fault

    def all(self) -> list[Fault]:
        with self._lock:
            return list(self._faults)

    def clear(self, identifier: int | None = None) -> list[Fault]:
        """Forget one fault, or all; what was forgotten. Raises NotFound."""
        with self._lock:
            gone = [fault for fault in self._faults if identifier in (None, fault.id)]
            self._faults = [fault for fault in self._faults if fault not in gone]
        if identifier is not None and not gone:
            raise NotFound
        return gone

    def response(self, method: str, path: str) -> Fault | None:
        """What this request is to be answered with instead of the truth."""
        return self._take(RESPONSE, lambda f: fnmatchcase(method, f.method) and fnmatchcase(path, f.path))

    def action(self, type: str, effect: str) -> Fault | None:
        """Whether an action of this type is to hang, or to fail."""
        return self._take(ACTION, lambda f: f.effect == effect and fnmatchcase(type, f.type))

    def boot(self, name: str) -> Fault | None:
        """What is to be wrong with the boot of a droplet of this name."""
        return self._take(BOOT, lambda f: fnmatchcase(name, f.name))

    def move(self, address: str) -> Fault | None:
        """Whether the move of this floating IP is to be lost."""
        return self._take(MOVE, lambda f: fnmatchcase(address, f.address))

    def holds(self, kind: str, droplet_id: int = 0, database_id: str = "") -> bool:
        """Whether a fault of this kind is about this droplet, or this cluster."""
        about = (kind, droplet_id, database_id)
        return any((fault.kind, fault.droplet_id, fault.database_id) == about for fault in self.all())

    def _take(self, kind: str, matches: Callable[[Fault], bool]) -> Fault | None:
        with self._lock:
            found = next((f for f in self._faults if f.kind == kind and f.count != 0 and matches(f)), None)
            if found and found.count:
                left = replace(found, count=found.count - 1)
                # One that holds something up stays until it is cleared.
                stays = left.count or found.effect == HANG
                self._faults = [f if f != found else left for f in self._faults if f != found or stays]
            return found


def _checked(values: Mapping[str, Any]) -> Fault:
    fields = {key: value for key, value in values.items() if value is not None or key in ("count", "retry_after")}
    kind = fields.get("kind")
    effects, allowed = KINDS.get(str(kind), ((), frozenset()))
    if not isinstance(kind, str) or kind not in KINDS:
        raise Unprocessable(f"kind must be one of {_listed(KINDS)}.")
    for key, value in fields.items():
        if key not in allowed | {"kind", "effect", "count"}:
            raise Unprocessable(f"A fault of the kind {fields['kind']} has no {key}.")
        if key in {*TEXTS, "effect"} and not isinstance(value, str):
            raise Unprocessable(f"{key} must be a string.")
        if key in NUMBERS and value is not None and (type(value) is not int or not 0 <= value < 1 << 40):
            raise Unprocessable(f"{key} must be a number, and not negative.")
    fault = Fault(**fields)
    if effects and fault.effect not in effects:
        raise Unprocessable(f"effect must be one of {_listed(filter(None, effects))}.")
    if fault.kind == RESPONSE and fault.effect in ("", LATE) and fault.status not in STATUSES:
        raise Unprocessable(f"status must be one of {_listed(map(str, STATUSES))}.")
    if fault.kind == RESPONSE and fault.effect in (LOST, SILENT) and fault.status:
        raise Unprocessable(f"A call with the effect {fault.effect} gets no answer, and so no status.")
    if fault.count == 0:
        raise Unprocessable("count must be at least 1, or null for ever.")
    # What is about one droplet's network has happened as soon as it is asked for.
    return replace(fault, count=None) if fault.kind == NETWORK else fault


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
