"""The one secret of an environment, its deploy key, and the host keys that follow from it.

A droplet's host key is derived from the deploy key and the release (HKDF-SHA256, RFC 5869), so whoever may log in also
knows beforehand which key will answer: nothing is trusted on first use, and nothing more has to be stored or shared.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from slipway.errors import PipelineError
from slipway.tools.files import write_private


@dataclass(frozen=True, repr=False)
class KeyPair:
    """An SSH key pair in OpenSSH's formats. Not shown by repr: half of it is secret."""

    private: str
    public: str


def new_key() -> KeyPair:
    """A key that nobody has had before."""
    key = Ed25519PrivateKey.generate()
    return KeyPair(_private_text(key), _public_text(key))


class DeployKey:
    """The Ed25519 key with which verification logs in as root."""

    def __init__(self, key: Ed25519PrivateKey, identity: Path) -> None:
        self._key = key
        self.identity = identity

    @classmethod
    def load(cls, work: Path, secret: str | None) -> DeployKey:
        """The key of `secret` (DEPLOY_SSH_KEY, as CI has it), else of the environment's folder, made if there is none.

        Raises PipelineError when either is not an unencrypted Ed25519 key.
        """
        identity = work / "id_ed25519"
        if secret:
            # A form of a CI system may have made the ends of its lines Windows' own, which OpenSSH does not read.
            text, origin = secret.replace("\r\n", "\n").strip() + "\n", "DEPLOY_SSH_KEY"
            if not identity.exists() or identity.read_text(errors="replace") != text:
                _parse(text, origin)
                write_private(identity, text)
        elif identity.exists():
            text, origin = identity.read_text(errors="replace"), str(identity)
        else:
            text, origin = _private_text(Ed25519PrivateKey.generate()), str(identity)
            write_private(identity, text)
        return cls(_parse(text, origin), identity)

    @property
    def public(self) -> str:
        """The public half, one line in OpenSSH's format."""
        return _public_text(self._key)

    def host_key(self, name: str) -> KeyPair:
        """The host key of a droplet, the same for the same name each time."""
        key = Ed25519PrivateKey.from_private_bytes(self._derive(f"slipway host key {name}"))
        return KeyPair(_private_text(key), _public_text(key))

    def lock_key(self, lock: str) -> str:
        """The public half of a key that opens nothing, and that only one run at a time can give the account."""
        return _public_text(Ed25519PrivateKey.from_private_bytes(self._derive(f"slipway lock {lock}")))

    def fingerprint(self, name: str, value: str) -> str:
        """Twelve digits that tell whether the secret `name` has changed, and nothing of its value.

        HMAC-SHA256 under a key that follows from the deploy key: who does not have that cannot try values.
        """
        mac = hmac.new(self._derive("slipway secret fingerprints"), f"{name}\0{value}".encode(), hashlib.sha256)
        return mac.hexdigest()[:12]

    def _derive(self, purpose: str) -> bytes:
        raw = self._key.private_bytes_raw()
        return HKDF(hashes.SHA256(), length=32, salt=None, info=purpose.encode()).derive(raw)


def _parse(text: str, origin: str) -> Ed25519PrivateKey:
    try:
        key = serialization.load_ssh_private_key(text.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise PipelineError(
            f"{origin} does not hold a usable SSH key: {error}.", "ssh-keygen -t ed25519 -N ''"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise PipelineError(f"{origin} holds a key that is not Ed25519.", "ssh-keygen -t ed25519 -N ''")
    return key


def _private_text(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()


def _public_text(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
