"""HTTPS with an authority of the cloud's own, for clients that refuse to send a token over plain HTTP.

    <state>/tls/            keys and certificates, root's alone; the authority can vouch for loopback only
    <state>/ca.pem          the authority's certificate
    <state>/ca-bundle.pem   the same after the system's authorities, so that a client that reads it trusts what it did

The last two belong to whoever owns the credentials. All are made at the server's start, and made anew when they have
expired or are about to.
"""

from __future__ import annotations

import ssl
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from cryptography import x509

from localocean import certificates, credentials
from localocean.config import Config

LOOPBACK = IPv4Address("127.0.0.1")
SYSTEM_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def endpoint(config: Config) -> str:
    """The address of the API over HTTPS."""
    return f"https://127.0.0.1:{config.tls_port}"


def authority_file(config: Config) -> Path:
    """The certificate of the cloud's own authority, for clients that take one beside the system's."""
    return config.state / "ca.pem"


def bundle_file(config: Config) -> Path:
    """The system's authorities and the cloud's own, for clients that take one file instead of the system's."""
    return config.state / "ca-bundle.pem"


def context(config: Config) -> ssl.SSLContext:
    """What the server listens with; makes and renews what it needs, and hands the authority to its owner."""
    folder = config.state / "tls"
    folder.mkdir(mode=0o700, exist_ok=True)
    permitted = [x509.DNSName("localhost"), x509.IPAddress(IPv4Network(LOOPBACK))]
    authority = certificates.authority(folder / "authority.pem", "Local cloud authority", permitted)
    server = certificates.kept(folder / "server.pem")
    if server is None or not certificates.signed(server[0], authority[0]):
        names = [x509.DNSName("localhost"), x509.IPAddress(LOOPBACK)]
        certificates.write(folder / "server.pem", certificates.server(authority, "localhost", names))
    own = certificates.certificate_text(authority[0])
    credentials.hand_over(authority_file(config), own)
    credentials.hand_over(bundle_file(config), _system() + own)
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    found.load_cert_chain(folder / "server.pem")
    return found


def _system() -> bytes:
    named = ssl.get_default_verify_paths().cafile
    found = next((Path(path) for path in (named, *SYSTEM_BUNDLES) if path and Path(path).is_file()), None)
    return found.read_bytes().rstrip() + b"\n" if found else b""
