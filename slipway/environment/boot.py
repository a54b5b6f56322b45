"""The settings that a droplet gets at boot, byte for byte: systemd's environment file, in base64 from here to the disk.

OpenTofu composes accents, YAML knows no control characters, and both know escapes of their own. Base64 passes through
all of them unchanged.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING

from slipway import redaction
from slipway.errors import PipelineError
from slipway.tools.terraform.engine import expression

if TYPE_CHECKING:
    from slipway.environment.reference import Release

USER_DATA_LIMIT = 64 * 1024
"""Bytes of user data that DigitalOcean takes for a droplet."""
_REST = 8 * 1024
"""Bytes that the rest of the user data takes at most: template, host key, the database's certificate and URL."""
LIMIT = (USER_DATA_LIMIT - _REST) // 4 * 3
"""Bytes that the environment file may have, secrets included."""
PUBLIC_LIMIT = 20 * 1024
"""Bytes of it that may be settings: OpenTofu hands a release to its gate in one variable, where Linux takes 128 KiB and
JSON may need six bytes for each of these."""


def refuse_unfit(what: str, value: str) -> None:
    """Raise PipelineError for a value that no environment variable of a systemd unit can have; `what` names it."""
    for position, each in enumerate(value, 1):
        if each == "\0":
            raise PipelineError(f"{what} has a NUL byte, which no environment variable can hold.", BINARY)
        if "\ud800" <= each <= "\udfff":
            raise PipelineError(f"{what} is not UTF-8 at character {position}, and systemd takes nothing else.", BINARY)
        if "\ufdd0" <= each <= "\ufdef" or ord(each) & 0xFFFE == 0xFFFE:
            code = f"U+{ord(each):04X}"
            raise PipelineError(f"{what} has {code} at character {position}, which Unicode keeps for no text.", BINARY)


BINARY = "Encode binary data, for instance with base64 -w0, and decode it in the app."


def refuse_too_long(config: Mapping[str, str]) -> None:
    """Raise PipelineError for settings that are too long to be kept in the reference file."""
    if (size := len(environment_file(config))) > PUBLIC_LIMIT:
        raise PipelineError(
            f"The settings come to {size} bytes; the limit is {PUBLIC_LIMIT}.", f"{_longest(config)} {_ELSEWHERE}"
        )


_ELSEWHERE = "is the longest: keep a long text in the image or in the database."


def _longest(values: Mapping[str, str]) -> str:
    return max(values, key=lambda name: len(values[name].encode()))


def environment_file(values: Mapping[str, str]) -> bytes:
    """The lines from which systemd reads these values, in the order of their names."""
    escaped = {name: re.sub(r'(["\\])', r"\\\1", value) for name, value in sorted(values.items())}
    return "".join(f'{name}="{value}"\n' for name, value in escaped.items()).encode()


def encoded(release: Release, secrets: Mapping[str, str]) -> str:
    """What a release tells its app, in base64, to which the base64 of further lines can be appended.

    Raises PipelineError when it is too long for a droplet's user data.
    """
    values = {**release.config, **secrets}
    lines = environment_file({**values, "APP_RELEASE": release.key})
    if len(lines) > LIMIT:
        raise PipelineError(
            f"The settings and secrets of {release.key} come to {len(lines)} bytes; the limit is {LIMIT}, because"
            f" DigitalOcean takes {USER_DATA_LIMIT} bytes of user data.",
            f"{_longest(values)} {_ELSEWHERE}",
        )
    # Base64 ends in "=" unless the bytes come in threes; systemd skips the empty lines.
    return base64.b64encode(lines + b"\n" * (-len(lines) % 3)).decode()


def variable(releases: Mapping[str, Release], secrets: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Terraform's variable with the settings of releases; `secrets` has their secrets by release key."""
    texts = {key: encoded(release, secrets.get(key, {})) for key, release in releases.items()}
    for text in texts.values():
        redaction.learn(text)
    return {"TF_VAR_settings": expression(texts)}


def is_kept_by_opentofu(text: str) -> bool:
    """Whether OpenTofu keeps a text as it is: it normalizes every text to NFC.

    A character that Python does not know yet may be known to OpenTofu, so a text with one counts as not kept.
    """
    return unicodedata.is_normalized("NFC", text) and not any(unicodedata.category(each) == "Cn" for each in text)
