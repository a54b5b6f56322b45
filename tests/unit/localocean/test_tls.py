"""The cloud's own authority: kept while it is good, made anew when it is not, and good for loopback alone."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from localocean import certificates, tls
from localocean.config import Config


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.from_environment({"LOCALOCEAN_STATE": str(tmp_path)})


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_it_is_made_once_and_kept(config: Config) -> None:
    tls.context(config)
    authority, server = read(tls.authority_file(config)), read(config.state / "tls/server.pem")
    tls.context(config)
    assert read(tls.authority_file(config)) == authority
    assert read(config.state / "tls/server.pem") == server
    server.verify_directly_issued_by(authority)


def test_nobody_else_may_read_the_keys(config: Config) -> None:
    tls.context(config)
    for path in (*(config.state / "tls").iterdir(), tls.authority_file(config), tls.bundle_file(config)):
        assert path.stat().st_mode & 0o777 == 0o600


def test_the_authority_vouches_for_loopback_only(config: Config) -> None:
    tls.context(config)
    constraints = read(tls.authority_file(config)).extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert [str(name.value) for name in constraints.value.permitted_subtrees or ()] == ["localhost", "127.0.0.1/32"]


def test_the_bundle_holds_what_the_system_trusts_too(config: Config) -> None:
    tls.context(config)
    own = ssl.create_default_context(cafile=str(tls.bundle_file(config))).get_ca_certs()
    assert any("Local cloud authority" in str(each["subject"]) for each in own)
    assert len(own) >= len(ssl.create_default_context().get_ca_certs())


def test_what_expires_soon_is_made_anew(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as short:
        short.setattr(certificates, "SERVER_DAYS", certificates.RENEW_DAYS - 1)
        tls.context(config)
    authority, server = read(tls.authority_file(config)), read(config.state / "tls/server.pem")
    tls.context(config)
    renewed = read(config.state / "tls/server.pem")
    assert renewed != server
    assert renewed.not_valid_after_utc - server.not_valid_after_utc > timedelta(days=300)
    assert read(tls.authority_file(config)) == authority


@pytest.mark.parametrize("damage", [b"", b"nonsense"])
def test_a_new_authority_makes_a_new_server_certificate(config: Config, damage: bytes) -> None:
    tls.context(config)
    (config.state / "tls/authority.pem").write_bytes(damage)
    tls.context(config)
    read(config.state / "tls/server.pem").verify_directly_issued_by(read(tls.authority_file(config)))
