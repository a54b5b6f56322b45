"""The account's SSH keys."""

from __future__ import annotations

import base64
import binascii
import hashlib

from localcloud.engine.errors import NotFound, Unprocessable
from localcloud.engine.records import Key, Listing, Page
from localcloud.engine.store import Store


def fingerprint(public_key: str) -> str:
    """The MD5 fingerprint with colons. Raises Unprocessable when the text is no OpenSSH public key."""
    try:
        kind, blob = public_key.split()[:2]
        decoded = base64.b64decode(blob, validate=True)
    except (ValueError, binascii.Error):
        raise Unprocessable("Key invalid, key should be of the format `ssh-rsa AAAA...`") from None
    if not decoded[4:].startswith(kind.encode()):
        raise Unprocessable("Key invalid, key should be of the format `ssh-rsa AAAA...`")
    digest = hashlib.md5(decoded, usedforsecurity=False).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


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
