"""X.509 authorities of a cloud's own and what they vouch for; keys are elliptic (P-256) and stay with root."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS, SERVER_DAYS, RENEW_DAYS = 3650, 397, 30
PEM = serialization.Encoding.PEM

Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def authority(path: Path, title: str, permitted: Sequence[x509.GeneralName]) -> Pair:
    """The authority kept in the file, made first when there is none that will do for a while yet.

    It can vouch for names within ``permitted`` alone, for those kinds of names that occur there.
    """
    return kept(path) or write(path, _make_authority(f"{title} {os.urandom(4).hex()}", permitted))


def server(issuer: Pair, name: str, names: Sequence[x509.GeneralName]) -> Pair:
    """A new key for a server of these names, with the authority's word for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate, issuer_key = issuer
    builder = (
        _builder(_name(name), certificate.subject, key, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(_usage(signs=False), critical=True)
    )
    return builder.sign(issuer_key, hashes.SHA256()), key


def signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the one vouches for the other."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # a wrong signature has one exception, a wrong name or type another
        return False
    return True


def certificate_text(certificate: x509.Certificate) -> bytes:
    """The certificate as PEM."""
    return certificate.public_bytes(PEM)


def key_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key as PEM, not encrypted."""
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def kept(path: Path) -> Pair | None:
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


def write(path: Path, pair: Pair) -> Pair:
    """Keep the pair in a file of root's alone."""
    draft = path.with_suffix(".tmp")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key_text(pair[1]) + certificate_text(pair[0]))
    draft.replace(path)
    return pair


def _make_authority(title: str, permitted: Sequence[x509.GeneralName]) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(title)
    builder = (
        _builder(name, name, key, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(_usage(signs=True), critical=True)
    )
    return builder.sign(key, hashes.SHA256()), key


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
