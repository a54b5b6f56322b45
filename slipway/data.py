"""Data that others wrote, held against its description by pydantic; what is wrong with it is told in our words.

A description is a frozen dataclass on `Table` or `OpenTable`, or another type that pydantic knows. It costs nothing
until something is held against it: all of them as pydantic's models would take as long as a verb takes to start.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from slipway.durations import moment

T = TypeVar("T")
_SHOWN = 60
"""Characters of a wrong value that a message shows."""


class Malformed(ValueError):
    """Everything that is wrong with a value, as pairs: ("image.base", "is missing")."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path or 'it'} {reason}" for path, reason in problems))
        self.problems = problems


STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""Nothing is converted: "1" is no number and 1 is no truth value."""
_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


@dataclass(frozen=True, kw_only=True)
class Table:
    """The base of a dataclass that describes a table with these entries and no others."""

    __pydantic_config__ = STRICT


@dataclass(frozen=True, kw_only=True)
class OpenTable(Table):
    """The base of one that may have more entries than slipway reads."""

    __pydantic_config__ = ConfigDict(**{**STRICT, "extra": "ignore"})


def expected(words: str) -> PydanticCustomError:
    """What a validator raises; ``words`` say what a value should be."""
    return PydanticCustomError("expected", "{words}", {"words": words})


class Expectation:
    """What annotates a value with more than its type. ``words`` say what it should be, also where it is missing."""

    words: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._checked, handler(source))

    def _checked(self, value: Any) -> Any:
        if not self._holds(value):
            raise expected(self.words)
        return value

    def _holds(self, value: Any) -> bool:
        raise NotImplementedError


@dataclass(frozen=True)
class Matching(Expectation):
    """Annotates a text that matches a pattern as a whole; ``words`` say what that asks for."""

    pattern: str
    words: str

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}

    def _holds(self, value: Any) -> bool:
        return isinstance(value, str) and re.fullmatch(self.pattern, value) is not None


class OneOf(Expectation):
    """Annotates a text that is one of these."""

    def __init__(self, *known: str) -> None:
        self.known, self.words = known, f"one of {', '.join(known)}"

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "enum": list(self.known)}

    def _holds(self, value: Any) -> bool:
        return value in self.known


class Within(Expectation):
    """Annotates a number between two others, both included; ``what`` it is a number of, such as "seconds"."""

    def __init__(self, least: float, most: float, what: str = "a number") -> None:
        self.least, self.most = least, most
        self.words = f"{what} from {least:g} to {most:g}"

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "minimum": self.least, "maximum": self.most}

    def _holds(self, value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and self.least <= value <= self.most


def _moment(value: Any) -> datetime:
    found = moment(value) if isinstance(value, str) else None
    if found is None:
        raise expected("a time such as 2026-11-21T12:04:32Z")
    return found


def time(value: str) -> str:
    """The text of a time; raises what a validator raises for another."""
    _moment(value)
    return value


Moment = Annotated[datetime, BeforeValidator(_moment)]
"""A time in RFC 3339, with its offset from UTC."""
Time = Annotated[str, AfterValidator(time)]
"""The text of one."""


Count = Annotated[int, Field(ge=0)]
"""A whole number from 0 on."""


def checked(kind: type[T], value: Any) -> T:
    """A value that TOML or JSON can hold, as what it is described to be.

    Raises Malformed with all that is wrong with it.
    """
    try:
        return read_json(json.dumps(value, default=lambda each: [str(each)]), kind)  # a date, of which nothing is made
    except RecursionError:
        raise Malformed([("", "is nested too deep")]) from None


def read_json(text: str | bytes, kind: type[T]) -> T:
    """What a JSON text says, as what it is described to be; raises Malformed with all that is wrong with it."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind, config=None if is_dataclass(kind) else STRICT)
    try:
        found: T = _ADAPTERS[kind].validate_json(text)
    except ValidationError as error:
        raise Malformed([_problem(kind, each) for each in error.errors(include_url=False)]) from None
    return found


def schema(kind: type[Table]) -> dict[str, Any]:
    """The JSON schema of a table, with its fields' docstrings, which take ten times as long to read as the rest."""
    try:
        Table.__pydantic_config__ = {**STRICT, "use_attribute_docstrings": True}
        return TypeAdapter(kind).json_schema()
    finally:
        Table.__pydantic_config__ = STRICT


_TYPES = {
    **dict.fromkeys(("dataclass_type", "dict_type"), "a table"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    **dict.fromkeys(("float_type", "finite_number"), "a number"),
    "int_type": "a whole number",
    "string_type": "a text in quotes",
    "bool_type": "true or false",
}
"""What a value should be, by the type of pydantic's error."""


def _problem(kind: Any, error: Mapping[str, Any]) -> tuple[str, str]:
    where, path = error["loc"], ".".join(map(str, error["loc"]))
    match error["type"]:
        case "missing":
            return path, f"is missing{_wanted(kind, where)}"
        case "extra_forbidden" | "unexpected_keyword_argument":
            return path, f"is unknown{_meant(str(where[-1]), sorted(_hints(kind, where[:-1])))}"
        case "json_invalid":
            return path, f"is not JSON ({error['ctx']['error']})"
        case "expected":
            should = f"it should be {error['ctx']['words']}"
        case "value_error":
            should = str(error["ctx"]["error"])
        case known if known in _TYPES:
            should = f"it should be {_TYPES[known]}"
        case _:
            should = error["msg"].replace("Input should", "it should", 1)
    shown = json.dumps(error["input"], default=str)
    return path, f"is {shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + '…'}; {should}"


def _hints(kind: Any, where: Sequence[Any]) -> Mapping[str, Any]:
    """The entries of the table at a place within a described one, with their types."""
    for name in where:
        kind = _entry(kind, name)
    table = _table(kind)
    return get_type_hints(table, include_extras=True) if table else {}


def _entry(kind: Any, name: Any) -> Any:
    """The type of an entry of a table, a list or a map."""
    if table := _table(kind):
        return get_type_hints(table, include_extras=True).get(name)
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return get_args(kind)[-1] if get_args(kind) else None


def _table(kind: Any) -> Any:
    """The described table that a type is, or may be beside null."""
    choices = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    return next((each for each in choices if is_dataclass(each)), None)


def _wanted(kind: Any, where: Sequence[Any]) -> str:
    """What an entry should be, as far as its annotations say so."""
    hint = _hints(kind, where[:-1]).get(where[-1]) if where else None
    words = next((each.words for each in get_args(hint) if isinstance(each, Expectation)), "")
    return f"; it should be {words}" if words else ""


def _meant(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, 1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known are {', '.join(known)}" if known else ""
