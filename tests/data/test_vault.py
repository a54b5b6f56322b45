"""A real Vault hands out the app's secrets and its database users: once, for a time, and with a line in its audit."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import psycopg
import pytest

from slipway.database import lease
from slipway.environment import secrets
from slipway.environment.outputs import Group, Outputs
from slipway.environment.reference import Reference, Release
from slipway.environment.secrets import CredentialIssuer, SecretSource
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.project import SecretSettings, VaultSettings
from slipway.tools import postgres
from slipway.tools.digitalocean import Cluster
from slipway.tools.postgres import Database
from tests.contract.support import Api
from tests.data.server import VaultServer, unseal
from tests.support import until

ROLES = """
DO $$ BEGIN CREATE ROLE app_rw NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE ROLE vault LOGIN CREATEROLE PASSWORD 'of the operator';
CREATE TABLE vaulted (id int);
GRANT ALL ON vaulted TO app_rw;
GRANT CONNECT ON DATABASE app TO vault
"""
RELEASE = Release("v1", "c", "app-v1-aaaaaaaaaaaa", "s-1vcpu-1gb", "t", {}, "app_1")


@pytest.fixture(scope="module")
def connected(
    session: Session,
    api: Api,
    settings: dict[str, str],
    cluster: Cluster,
    database: Database,
    vault: VaultServer,
) -> VaultServer:
    """Vault with a user of its own in the cluster, from where this machine's Vault may come."""
    with postgres.connect(database) as connection:
        connection.execute(ROLES)
    path = f"/v2/databases/{cluster.id}/firewall"
    rules = [{"type": rule["type"], "value": rule["value"]} for rule in api.get(path)["rules"]]
    here = {"type": "ip_addr", "value": str(ip_network(settings["LOCALOCEAN_RANGE"])[1])}
    api.call("PUT", path, {"rules": [*rules, here]}, status=204)
    vault.use(cluster.host, session.api.database_ca(cluster.id), "vault", "of the operator", ttl="1h")
    return vault


def source(session: Session, environ: Mapping[str, str]) -> SecretSource:
    wanted = SecretSettings(names=("APP_WRITE_TOKEN",), source="vault", vault=VaultSettings(database_role="app"))
    project = replace(session.settings.project, secrets=wanted)
    return secrets.source(replace(session.settings, project=project), environ)


def issuer(session: Session, environ: Mapping[str, str]) -> CredentialIssuer:
    found = source(session, environ).issuer
    assert found is not None
    return found


def login(database: Database, credential: secrets.Credential) -> None:
    """Log in as the leased user, and use the rights of its group."""
    user = replace(database, user=credential.user, password=credential.password.reveal())
    with postgres.connect(user) as connection:
        connection.execute("INSERT INTO vaulted VALUES (1)")


def test_the_app_s_secrets_are_read_from_vault(session: Session, vault: VaultServer) -> None:
    found = source(session, vault.approle("1h"))
    assert secrets.collect(found, ["APP_WRITE_TOKEN"])["APP_WRITE_TOKEN"].reveal() == "first"
    with pytest.raises(PipelineError, match="^Secret/slipway/notes/local in Vault does not have APP_OTHER.$"):
        secrets.collect(found, ["APP_OTHER"])


def test_a_user_is_handed_out_for_a_time_and_audited_without_its_password(
    session: Session, connected: VaultServer, database: Database
) -> None:
    before = len(connected.audited("database/creds/app"))
    credential = issuer(session, connected.approle("2h")).issue()
    assert credential.password.expires is not None
    assert 3500 < (credential.password.expires - datetime.now(UTC)).total_seconds() <= 3600
    login(database, credential)
    told = connected.audited("database/creds/app")[before:]
    assert len(told) == 1
    data = told[0]["response"]["data"]
    assert data["password"].startswith("hmac-sha256:") and data["username"].startswith("hmac-sha256:")
    assert told[0]["auth"]["metadata"] == {"role_name": "slipway"}
    assert credential.password.reveal() not in connected.audit.read_text()


def test_a_release_asks_once_and_gives_back_what_a_failure_left_unused(
    session: Session, connected: VaultServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = source(session, connected.approle("2h"))
    monkeypatch.setattr(secrets, "source", lambda settings, environ: found)
    before = len(connected.audited("database/creds/app"))
    with lease.user_for(session, Reference(), RELEASE, anew=False) as leased:
        user, password = next(iter(leased.passwords.items()))
    credential = secrets.Credential(user, password, "")
    login(database, credential)
    monkeypatch.setattr(session, "outputs", lambda: Outputs(groups={leased.release.key: Group(leased.release.key, ())}))
    with lease.user_for(session, Reference(), leased.release, anew=False) as again:
        assert again.release == leased.release
    with pytest.raises(RuntimeError), lease.user_for(session, Reference(), RELEASE, anew=True) as failed:
        user, password = next(iter(failed.passwords.items()))
        raise RuntimeError
    assert len(connected.audited("database/creds/app")) == before + 2
    with pytest.raises(PipelineError, match="cannot be used"):
        login(database, secrets.Credential(user, password, ""))
    login(database, credential)


def test_a_login_fails_after_its_end(session: Session, connected: VaultServer, database: Database) -> None:
    connected.role("8s")  # long enough to log in once on a busy machine
    credential = issuer(session, connected.approle("2h")).issue()
    connected.role("1h")
    login(database, credential)

    def refused() -> bool:
        try:
            login(database, credential)
        except PipelineError as error:
            # Whom Vault removes in the moment between login and statement, PostgreSQL lets in and denies the table.
            assert re.search("authentication failed|permission denied|does not exist", error.hint), error.hint
            return "authentication failed" in error.hint
        return False

    until(refused)
    assert credential.password.expires is not None
    assert datetime.now(UTC) >= credential.password.expires.replace(microsecond=0)
    # And Vault removes the user, with what it was granted.
    name = "SELECT count(*) FROM pg_roles WHERE rolname = %s"
    with postgres.connect(database) as connection:
        until(lambda: connection.execute(name, [credential.user]).fetchone() == (0,))


def test_a_user_does_not_outlive_the_token_that_asked_for_it(session: Session, connected: VaultServer) -> None:
    credential = issuer(session, connected.approle("10m")).issue()
    assert credential.password.expires is not None
    assert 500 < (credential.password.expires - datetime.now(UTC)).total_seconds() <= 600


def test_what_vault_refuses_is_one_sentence(session: Session, connected: VaultServer, tmp_path: Path) -> None:
    good = connected.approle("1h")
    wanted = VaultSettings(database_role="other")
    project = replace(session.settings.project, secrets=SecretSettings(source="vault", vault=wanted))
    denied = secrets.source(replace(session.settings, project=project), good)
    with pytest.raises(PipelineError, match="denies it: database/creds/other"):
        assert denied.issuer is not None
        denied.issuer.issue()
    with pytest.raises(PipelineError, match="could not do it: log in"):
        source(session, {**good, "VAULT_SECRET_ID": "wrong"})
    with pytest.raises(PipelineError, match="denies it: read secret/slipway/notes/local"):
        source(session, {"VAULT_ADDR": connected.address, "VAULT_TOKEN": "wrong"}).get("APP_WRITE_TOKEN")


def test_a_sealed_vault_is_named_and_works_again_when_it_is_open(session: Session, connected: VaultServer) -> None:
    environ = {"VAULT_ADDR": connected.address, "VAULT_TOKEN": connected.root.token}
    found = source(session, environ)
    connected.root.sys.seal()
    with pytest.raises(PipelineError, match="is sealed") as refused:
        found.get("APP_WRITE_TOKEN")
    assert refused.value.hint == "vault operator unseal"
    unseal(connected)
    deadline = time.monotonic() + 30
    while True:
        try:
            assert secrets.collect(found, ["APP_WRITE_TOKEN"])["APP_WRITE_TOKEN"].reveal() == "first"
            break
        except PipelineError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_a_password_is_in_no_message_of_postgresql(database: Database) -> None:
    wrong = replace(database, password="a-wrong-password-that-is-shown-nowhere")
    with pytest.raises(PipelineError) as refused, postgres.connect(wrong):
        raise AssertionError("a wrong password was taken")
    assert isinstance(refused.value.__cause__, psycopg.OperationalError)
    assert "a-wrong" not in f"{refused.value.message} {refused.value.hint} {wrong!r}"
