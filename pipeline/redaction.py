"""Secrets taken out of what is kept: those that a droplet was given, and whatever looks like a password in a URL."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from urllib.parse import unquote, urlsplit

_HIDDEN = "[hidden]"
_PASSWORD_IN_URL = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(@)")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_LINE = re.compile(r'^([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"$', re.MULTILINE)
_SHORTEST = 6
"""A shorter value would take innocent words with it."""


class Redactor:
    """Hides values wherever they stand in a text."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        found = {form for value in values for form in _forms(value) if len(form) >= _SHORTEST}
        self._values = sorted(found, key=len, reverse=True)

    @classmethod
    def of_configuration(cls, conf_env: str, public: Collection[str]) -> Redactor:
        """What hides every value of a `conf.env` but those of the names that the reference file shows to everybody."""
        pairs = [(name, re.sub(r"\\(.)", r"\1", value)) for name, value in _LINE.findall(conf_env)]
        return cls(value for name, value in pairs if name not in public)

    def __call__(self, text: str) -> str:
        """The text without them."""
        for value in self._values:
            text = text.replace(value, _HIDDEN)
        text = _PASSWORD_IN_URL.sub(rf"\1{_HIDDEN}\2", text)
        return _PRIVATE_KEY.sub(_HIDDEN, text)


def _forms(value: str) -> set[str]:
    """A value as it stands, and the password of one that is a URL, as it is written there and as it is meant."""
    try:
        password = urlsplit(value).password or ""
    except ValueError:
        password = ""
    return {value, password, unquote(password)}
