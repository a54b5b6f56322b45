"""The encryption of a state in OpenTofu's words: its configuration, and what a state file tells of itself.

The key provider is named by a digest of its key, because OpenTofu looks for the salt under the provider's name: a key
that moves from being the current to being the previous one keeps its name. Keys are long and random, so that neither
the digest nor a cheap derivation helps to guess them: the number of iterations is the least that OpenTofu takes, and
the hash is the one that processors have instructions for (a fourth of the time, which every run of it takes twice).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "TF_ENCRYPTION"
UNREADABLE = ("decryption failed", "no decryption key available", "encountered unencrypted payload", "is encrypted and")
"""What OpenTofu says, in one way or another, of a state that the key does not open."""


@dataclass(frozen=True, repr=False)
class Encryption:
    """How a state is written, and how it may still be found. A key of None stands for plain text.

    Not shown by repr: it holds the keys.
    """

    key: str | None
    previous: str | None = None
    migrating: bool = False

    def after(self, previous: str | None) -> Encryption:
        """The same for the time in which a state may still be written as `previous` says."""
        return Encryption(self.key, previous, migrating=True)

    @property
    def environment(self) -> dict[str, str]:
        """The variable that OpenTofu reads; none where nothing is or was encrypted."""
        return {VARIABLE: self._text()} if self.key or self.migrating and self.previous else {}

    def _text(self) -> str:
        keys = {self.key, self.previous} if self.migrating else {self.key}
        fallback = f"\n  fallback {{\n    method = {_method(self.previous)}\n  }}" if self.migrating else ""
        # With plain text in play OpenTofu refuses to be strict.
        strict = "" if None in keys else "\n  enforced = true"
        blocks = [_declaration(key) for key in sorted(keys, key=str)]
        for name in ("state", "plan"):
            blocks.append(f"{name} {{\n  method = {_method(self.key)}{strict}{fallback}\n}}")
        return "\n".join(blocks)


def _name(key: str) -> str:
    return f"k{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def _method(key: str | None) -> str:
    return f"method.aes_gcm.{_name(key)}" if key else "method.unencrypted.plain"


def _declaration(key: str | None) -> str:
    if key is None:
        return 'method "unencrypted" "plain" {}'
    name = _name(key)
    return (
        f'key_provider "pbkdf2" "{name}" {{\n  passphrase = {json.dumps(key)}\n'
        '  iterations = 200000\n  hash_function = "sha256"\n}\n'
        f'method "aes_gcm" "{name}" {{\n  keys = key_provider.pbkdf2.{name}\n}}'
    )


def is_encrypted(state: Path) -> bool | None:
    """Whether a state file is encrypted; None when there is none, or nothing in it."""
    try:
        data = json.loads(state.read_text() or "null")
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return "encrypted_data" in data if isinstance(data, dict) else None
