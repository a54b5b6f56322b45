"""The authority that vouches for the database servers of a cloud; ``GET /v2/databases/{id}/ca`` hands it out.

<state>/databases/authority.pem    its key and certificate, root's alone
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from cryptography import x509

from localocean import certificates

PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
"""Where the addresses of private networks are (RFC 1918)."""


@dataclass(frozen=True)
class Identity:
    """What a server shows and proves to be its own, and who vouches for it: all PEM."""

    certificate: bytes
    key: bytes
    authority: bytes


class Authority:
    """One per cloud. It can vouch for the cloud's public range and for private addresses, and for nothing else."""

    def __init__(self, folder: Path, public: IPv4Network) -> None:
        self._folder = folder
        self._permitted = [x509.IPAddress(network) for network in (public, *PRIVATE)]
        self._lock = threading.Lock()

    def certificate(self) -> bytes:
        """The authority's certificate as PEM."""
        return certificates.certificate_text(self._pair()[0])

    def issue(self, name: str, addresses: Sequence[IPv4Address]) -> Identity:
        """A new key for the server with these addresses; one for each boot, so that none ever expires in use."""
        pair = self._pair()
        certificate, key = certificates.server(pair, name, [x509.IPAddress(address) for address in addresses])
        texts = (certificates.certificate_text(each) for each in (certificate, pair[0]))
        return Identity(next(texts), certificates.key_text(key), next(texts))

    def _pair(self) -> certificates.Pair:
        with self._lock:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            title = "Local cloud databases"
            return certificates.authority(self._folder / "authority.pem", title, self._permitted)
