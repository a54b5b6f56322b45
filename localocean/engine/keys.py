"""The account's SSH keys."""

from __future__ import annotations

import base64
import binascii
import hashlib

from localocean.engine.errors import NotFound, Unprocessable
from localocean.store.records import Key, Listing, Page
from localocean.store.store import Store

INVALID = "Key invalid, key should be of the format `ssh-rsa AAAA...`"
TYPES = {
    **{"ssh-rsa": 2, "ssh-dss": 4, "ssh-ed25519": 1, "sk-ssh-ed25519@openssh.com": 2},
    **{f"ecdsa-sha2-nistp{bits}": 2 for bits in (256, 384, 521)},
    "sk-ecdsa-sha2-nistp256@openssh.com": 3,
}
"""The types of keys that an SSH server takes, and of how many parts each consists beside the type."""


def fingerprint(public_key: str) -> str:
    """The MD5 fingerprint with colons. Raises Unprocessable when the text is no OpenSSH public key."""
    try:
        kind, blob = public_key.split()[:2]
        decoded = base64.b64decode(blob, validate=True)
        named, *numbers = _fields(decoded)
    except (ValueError, binascii.Error):
        raise Unprocessable(INVALID) from None
    if named != kind.encode() or not numbers or len(public_key.splitlines()) != 1:
        raise Unprocessable(INVALID)
    if kind not in TYPES:
        raise Unprocessable(f"{INVALID}: {kind[:64]!r} is no type of SSH keys. There are {', '.join(TYPES)}")
    if len(numbers) != TYPES[kind] or not all(numbers):
        raise Unprocessable(INVALID)
    digest = hashlib.md5(decoded, usedforsecurity=False).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def _fields(blob: bytes) -> list[bytes]:
    """The strings that a key consists of, its kind first. Raises ValueError when it is cut short."""
    fields = []
    while blob:
        end = 4 + int.from_bytes(blob[:4], "big")
        if len(blob) < end:
            raise ValueError(end)
        fields.append(blob[4:end])
        blob = blob[end:]
    return fields


class Keys:
    """Found by id or by fingerprint; the key's text is kept exactly as it was given."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def create(self, name: str, public_key: str) -> Key:
        if not name:
            raise Unprocessable("Name can't be blank")
        mark = fingerprint(public_key)
        with self.store.transaction():
            if self.store.keys.first("fingerprint = ?", mark):
                raise Unprocessable("SSH Key is already in use on your account")
            return self.store.keys.add(Key(name=name, fingerprint=mark, public_key=public_key))

    def page(self, page: Page) -> Listing[Key]:
        return self.store.keys.page(page)

    def get(self, reference: str) -> Key:
        """By id or fingerprint. Raises NotFound."""
        key = self.find(reference)
        if key is None:
            raise NotFound
        return key

    def find(self, reference: str) -> Key | None:
        if reference.isdecimal() and len(reference) < 19:
            return self.store.keys.get(int(reference))
        return self.store.keys.first("fingerprint = ?", reference)

    def rename(self, reference: str, name: str) -> Key:
        if not name:
            raise Unprocessable("Name can't be blank")
        key = self.get(reference)
        self.store.keys.update(key.id, name=name)
        return self.get(str(key.id))

    def delete(self, reference: str) -> None:
        self.store.keys.delete("id = ?", self.get(reference).id)
