"""Secrets taken out of what is shown and kept: those that this process knows, and whatever looks like one."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Iterable
from urllib.parse import quote, unquote, urlsplit

HIDDEN = "[hidden]"
# Each of these looks at a character a bounded number of times, or a long text from others would hold a run up.
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^\s/@:]*:)[^\s/]+@")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_NAMED = re.compile(
    r"((?:password|passwd|passphrase|secret(?:_?key)?|token|private_?key|api_?key|access_?key)"
    r"(?:\\?[\"'])?[ \t]{0,9}[:=][ \t]{0,9})"
    r"(?:(\\?[\"'])(?:(?!\2)(?:\\.|[^\n]))*|[^\s\"',;&}\])…\[]{6,})",
    re.IGNORECASE,
)
_AUTHORIZATION = re.compile(r"(authorization[\"']?[ \t]{0,9}[:=][ \t]{0,9}\[?[\"']?[a-z]+ )[^\s\"',\]]+", re.IGNORECASE)
_LINE = re.compile(r'^([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"$', re.MULTILINE | re.DOTALL)
_SHORTEST = 6
"""A shorter value would take innocent words with it."""
_known: set[str] = set()


def learn(value: str) -> None:
    """Hide a secret of this process from now on, wherever a text goes through `hide` or any `Redactor`."""
    _known.update(_long(value))


def hide(text: str) -> str:
    """The text without the secrets that this process learnt, and without what looks like one."""
    return _EVERYWHERE(text)


class Redactor:
    """Hides values wherever they stand in a text, beside those that this process learnt."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = {form for value in values for form in _long(value)}

    @classmethod
    def of_configuration(cls, conf_env: str, public: Collection[str]) -> Redactor:
        """What hides every value of a `conf.env` but those of the names that the reference file shows to everybody."""
        pairs = [(name, re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)) for name, value in _LINE.findall(conf_env)]
        return cls(value for name, value in pairs if name not in public)

    def __call__(self, text: str) -> str:
        """The text without them."""
        for value in sorted(self._values | _known, key=len, reverse=True):
            text = text.replace(value, HIDDEN)
        text = _PASSWORD_IN_URL.sub(rf"\1{HIDDEN}@", text)
        text = _AUTHORIZATION.sub(rf"\1{HIDDEN}", text)
        text = _NAMED.sub(rf"\1\2{HIDDEN}", text)
        return _PRIVATE_KEY.sub(HIDDEN, text)


_EVERYWHERE = Redactor()


def _long(value: str) -> set[str]:
    return {form for form in _forms(value) if len(form) >= _SHORTEST} if len(value) >= _SHORTEST else set()


def _forms(value: str) -> set[str]:
    """A value, its lines, and the password of one that is a URL: as they stand and as they are written elsewhere."""
    try:
        password = urlsplit(value).password or ""
    except ValueError:
        password = ""
    forms = {value, *value.splitlines(), password, unquote(password)}
    return forms | {spelt for form in forms for spelt in (_json(form), quote(form, safe=""), _base64(form))}


def _json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


def _base64(value: str) -> str:
    return base64.b64encode(value.encode(errors="surrogateescape")).decode()
