"""The shape that data of others has to have: checks that turn a value into what it is for, or say what is wrong where.

A check is a function of a value. It returns the value to go on with, or raises Malformed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Check = Callable[[Any], Any]


class Malformed(ValueError):
    """Everything that is wrong with a value, as pairs of a path within it and a reason."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {reason}" if path else reason for path, reason in problems))
        self.problems = problems


def wrong(reason: str) -> Malformed:
    """What a check raises for a value as a whole."""
    return Malformed([("", reason)])


def text(pattern: str = "", says: str = "") -> Check:
    """A text, which matches a pattern as a whole if there is one; ``says`` words what that asks for."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise wrong("it is not a text")
        if pattern and not re.fullmatch(pattern, value):
            raise wrong(says or f"it does not match {pattern}")
        return value

    return check


def number(least: float = -math.inf, most: float = math.inf) -> Check:
    """A finite number within limits, both included."""

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300:
            raise wrong("it is not a number")
        if not least <= value <= most:
            raise wrong(_limits(least, most))
        return value

    return check


def whole(least: float = -math.inf, most: float = math.inf) -> Check:
    """A whole number within limits, both included."""
    within = number(least, most)

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong("it is not a whole number")
        within(value)
        return value

    return check


def one_of(*values: Any) -> Check:
    """One of some values."""

    def check(value: Any) -> Any:
        if value not in values or isinstance(value, bool) != isinstance(values[values.index(value)], bool):
            raise wrong(f"it is none of {', '.join(map(str, values))}")
        return value

    return check


def moment(value: Any) -> datetime:
    """A time in RFC 3339, with its offset from UTC."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise wrong("it is not a time such as 2026-11-21T12:04:32Z") from None
    if found.tzinfo is None or not 1970 <= found.year < 3000:
        raise wrong("it is not a time such as 2026-11-21T12:04:32Z")
    return found.astimezone(UTC)


def time(value: Any) -> str:
    """The same, as the text that it is."""
    moment(value)
    return str(value)


def maybe(check: Check) -> Check:
    """None, or what a check takes."""
    return lambda value: None if value is None else check(value)


def list_of(check: Check, most: float = math.inf) -> Check:
    """A list of what a check takes, with a limit to its length."""

    def all_of(value: Any) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise wrong("it is not a list")
        if len(value) > most:
            raise wrong(f"it has {len(value)} entries, and at most {most} are allowed")
        return _each((str(place), check, each) for place, each in enumerate(value))

    return all_of


def row(*checks: Check) -> Check:
    """A list with as many values as there are checks, each of them for one."""

    def all_of(value: Any) -> list[Any]:
        if not isinstance(value, (list, tuple)) or len(value) != len(checks):
            raise wrong(f"it is not a list of {len(checks)} values")
        return _each((str(place), check, each) for place, (check, each) in enumerate(zip(checks, value, strict=True)))

    return all_of


def map_of(check: Check, name: Check | None = None) -> Check:
    """A table with any names that a check takes, and values that another one takes."""

    named = name or text()

    def all_of(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong("it is not a table")
        names = _each((str(each), named, each) for each in value)
        return dict(zip(names, _each((str(key), check, each) for key, each in value.items()), strict=True))

    return all_of


def table(needs: Mapping[str, Check], may: Mapping[str, Check] | None = None, *, more: bool = False) -> Check:
    """A table with the entries that it needs and some that it may have; ``more`` lets others be as they are."""
    checks = {**(may or {}), **needs}

    def all_of(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong("it is not a table")
        problems = [(name, "it is missing") for name in needs if name not in value]
        if not more:
            problems += [
                (str(name), f"it is unknown{_meant(str(name), checks)}") for name in value if name not in checks
            ]
        found = _each(((str(name), checks.get(name, _anything), each) for name, each in value.items()), problems)
        return dict(zip(value, found, strict=True))

    return all_of


def read_json(data: str | bytes, check: Check) -> Any:
    """What a JSON text says, if a check takes it; raises Malformed otherwise."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise wrong(f"it is not JSON ({error})") from error
    return check(found)


def _anything(value: Any) -> Any:
    return value


def _each(entries: Any, problems: Sequence[tuple[str, str]] = ()) -> list[Any]:
    """The results of checks; raises Malformed with the problems of all of them."""
    found, all_problems = [], list(problems)
    for path, check, value in entries:
        try:
            found.append(check(value))
        except Malformed as error:
            all_problems += [(f"{path}.{below}" if below else path, reason) for below, reason in error.problems]
    if all_problems:
        raise Malformed(all_problems)
    return found


def _limits(least: float, most: float) -> str:
    if math.isinf(most):
        return f"it is less than {least:g}"
    return f"it is more than {most:g}" if math.isinf(least) else f"it is not between {least:g} and {most:g}"


def _meant(name: str, known: Collection[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(sorted(known))}"
