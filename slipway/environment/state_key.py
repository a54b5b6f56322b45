"""The key that encrypts an environment's states: from SLIPWAY_STATE_KEY, or a file of its own, made on first use."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from slipway.errors import PipelineError
from slipway.redaction import learn
from slipway.tools.files import write_private
from slipway.tools.terraform.encryption import is_encrypted

GIVEN = "SLIPWAY_STATE_KEY"
BEFORE = "SLIPWAY_STATE_KEY_PREVIOUS"
_HINT = "At least 32 letters and digits: openssl rand -hex 32"


class StateKey:
    """Where the key is, and what it is; `rotate` in `slipway/release/rotation.py` is the one who changes it."""

    def __init__(self, work: Path, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.path = work / "state.key"
        self.coming = work / "state.key.new"
        """The next key, while a rotation is under way."""

    @property
    def given(self) -> str | None:
        """The key of the environment variable, which goes before the file's."""
        return self._variable(GIVEN)

    @property
    def before(self) -> str | None:
        """The key that a rotation replaces, where the keys come from the environment."""
        return self._variable(BEFORE)

    def load(self, states: Iterable[Path], *, elsewhere: bool) -> str:
        """The key; a new one where nothing was encrypted yet. ``elsewhere`` says that the states are kept elsewhere.

        Raises PipelineError when the key is lost, of no use, open to others, or would be lost at once.
        """
        if given := self.given:
            return given
        if self.coming.exists():
            raise PipelineError("A rotation of the state's key was interrupted.", "./invoke rotate state finishes it.")
        if found := self.stored():
            return found
        if any(is_encrypted(state) for state in states):
            raise PipelineError(
                f"The state is encrypted and its key is gone: there is no {GIVEN} and no {os.path.relpath(self.path)}.",
                "Put the key back. docs/production.md says what can be done without it.",
            )
        if self._environ.get("CI") and elsewhere:
            raise PipelineError(
                f"{GIVEN} is not set, and a key that is made here would be lost with this runner.",
                f"It is the content of {self.path.name} where the state was first written; keep it as a secret.",
            )
        write_private(self.path, f"{new()}\n")
        return self.stored() or ""

    def stored(self, path: Path | None = None) -> str | None:
        """The key in the file, if there is one; raises PipelineError when others could have read it."""
        path = path or self.path
        try:
            mode, text = path.stat().st_mode & 0o777, path.read_text(errors="replace")
        except FileNotFoundError:
            return None
        if mode & 0o077:
            name = os.path.relpath(path)
            raise PipelineError(f"{name} is not its owner's alone: its mode is {mode:04o}.", f"chmod 600 {name}")
        return _check(text.strip(), path.name)

    def _variable(self, name: str) -> str | None:
        value = self._environ.get(name, "").strip()
        return _check(value, name) if value else None


def new() -> str:
    """A key that nobody has: 256 random bits in hexadecimal."""
    return secrets.token_hex(32)


def _check(key: str, origin: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9+/=_.-]{32,}", key):
        raise PipelineError(f"{origin} does not hold a usable key.", _HINT)
    learn(key)
    return key
