"""What the bodies of requests may say: each is described once, by a model, and validated and shown by it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from localocean.api.schemas import ANYTHING, BOOLEAN, ID, INTEGER, NAME_OR_ID, TEXT, nullable, optional_object, text
from localocean.engine.errors import Unprocessable

# What a value must be, by the type of pydantic's error.
_WORDS = {
    "string_type": "a string",
    "word": "a string or a number",
    "truth": "true or false",
    "number": "a number, and not negative",
    "list_type": "a list",
    "droplet": "the id of a Droplet",
    "model_type": "an object",
    "dict_type": "an object",
}


def _shown(schema: dict[str, Any], model: type[Body]) -> None:
    """What is not needed may be null."""
    needed = [name for name in schema["properties"] if name in model.NEEDED or name in schema.get("required", [])]
    for name, shown in schema["properties"].items():
        described = {key: value for key, value in shown.items() if key not in ("title", "default")}
        schema["properties"][name] = described if name in needed else nullable(described)
    schema["required"] = needed


class Body(BaseModel):
    """A body, or an object within one. As at DigitalOcean, an unknown name is ignored, and null is as good as absent.

    The engine says in its own words what is wrong with an empty value, and refuses an absent one of ``NEEDED`` by them.
    """

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, json_schema_extra=_shown)
    NEEDED: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {name: value for name, value in data.items() if value is not None}

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """The body of a request; raises Unprocessable with the first thing that is wrong."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            found = error.errors(include_url=False)[0]
        name = ".".join(map(str, found["loc"]))
        if found["type"] == "missing":
            raise Unprocessable(f"{name} is required")
        raise Unprocessable(f"{name} must be {_WORDS.get(found['type'], 'another value')}.")


def _word(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PydanticCustomError("word", "no word")
    return str(value)


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() not in ("true", "false"):
        raise PydanticCustomError("truth", "no truth")
    return str(value).lower() == "true"


def _number(value: Any) -> int:
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        value = int(value)
    if type(value) is not int or value < 0:
        raise PydanticCustomError("number", "no number")
    return value


def _droplet(value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch("[0-9]{1,18}", str(value)):
        raise PydanticCustomError("droplet", "no droplet")
    return int(value)


Word = Annotated[str, BeforeValidator(_word), WithJsonSchema(NAME_OR_ID)]
"""A name, a slug or an id; an id becomes a text."""
Truth = Annotated[bool, BeforeValidator(_truth), WithJsonSchema(BOOLEAN)]
"""A boolean, which python-digitalocean writes as text in places."""
Number = Annotated[int, BeforeValidator(_number), WithJsonSchema(INTEGER)]
"""A number from 0 on, which some clients write as text."""
DropletId = Annotated[int, BeforeValidator(_droplet), WithJsonSchema(ID)]
"""The number of a droplet, which some clients write as text; 0 is none."""
Policy = Annotated[
    Any,
    WithJsonSchema(nullable(optional_object(plan=text("daily", "weekly"), weekday=TEXT, hour=INTEGER))),
]
"""When backups are made; the engine checks it."""
Checked = Annotated[Any, WithJsonSchema(ANYTHING)]
"""An object that the engine checks itself."""


class Named(Body):
    """What needs a name alone."""

    NEEDED: ClassVar[tuple[str, ...]] = ("name",)
    name: str = ""
