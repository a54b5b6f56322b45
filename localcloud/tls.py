"""HTTPS with an authority of the cloud's own, for clients that refuse to send a token over plain HTTP.

    <state>/tls/            keys and certificates, root's alone; the authority can vouch for loopback only
    <state>/ca.pem          the authority's certificate
    <state>/ca-bundle.pem   the same after the system's authorities, so that a client that reads it trusts what it did

The last two belong to whoever owns the credentials. All are made at the server's start, and made anew when they have
expired or are about to.
"""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from localcloud import credentials
from localcloud.config import Config

AUTHORITY_DAYS, SERVER_DAYS, RENEW_DAYS = 3650, 397, 30
LOOPBACK = IPv4Address("127.0.0.1")
SYSTEM_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")

Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


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
    authority = _kept(folder / "authority.pem") or _write_pair(folder / "authority.pem", *_make_authority())
    server = _kept(folder / "server.pem")
    if server is None or not _signed(server[0], authority[0]):
        _write_pair(folder / "server.pem", *_make_server(*authority))
    own = authority[0].public_bytes(serialization.Encoding.PEM)
    credentials.hand_over(authority_file(config), own)
    credentials.hand_over(bundle_file(config), _system() + own)
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    found.load_cert_chain(folder / "server.pem")
    return found


def _kept(path: Path) -> Pair | None:
    """The pair in the file, unless there is none, it cannot be read, or it will not do much longer."""
    try:
        text = path.read_bytes()
        certificate = x509.load_pem_x509_certificate(text)
        key = serialization.load_pem_private_key(text, None)
    except (OSError, ValueError):
        return None
    ends = certificate.not_valid_after_utc
    if ends < datetime.now(UTC) + timedelta(days=RENEW_DAYS) or not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    return certificate, key


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # a wrong signature has one exception, a wrong name or type another
        return False
    return True


def _make_authority() -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Local cloud authority {os.urandom(4).hex()}")
    names = [x509.DNSName("localhost"), x509.IPAddress(IPv4Network(LOOPBACK))]
    builder = (
        _builder(name, name, key, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.NameConstraints(names, None), critical=True)
        .add_extension(_usage(signs=True), critical=True)
    )
    return builder.sign(key, hashes.SHA256()), key


def _make_server(authority: x509.Certificate, authority_key: ec.EllipticCurvePrivateKey) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName("localhost"), x509.IPAddress(LOOPBACK)]
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    builder = (
        _builder(_name("localhost"), authority.subject, key, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer, critical=False)
        .add_extension(_usage(signs=False), critical=True)
    )
    return builder.sign(authority_key, hashes.SHA256()), key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _write_pair(path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    draft = path.with_suffix(".tmp")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret + certificate.public_bytes(pem))
    draft.replace(path)
    return certificate, key


def _system() -> bytes:
    named = ssl.get_default_verify_paths().cafile
    found = next((Path(path) for path in (named, *SYSTEM_BUNDLES) if path and Path(path).is_file()), None)
    return found.read_bytes().rstrip() + b"\n" if found else b""
