"""Database users that a vault leases: one for each release that needs a new one, given back when it fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from slipway.database import lease
from slipway.database.lease import user_for
from slipway.environment import secrets
from slipway.environment.outputs import Group, Outputs
from slipway.environment.reference import Reference, Release
from slipway.environment.secrets import Credential, Secret
from slipway.errors import PipelineError
from slipway.progress import Progress

TERRAFORMS = Release("v1", "c", "app-v1-aaaaaaaaaaaa", "s-1vcpu-1gb", "t", {}, "app_1")
SOON = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
LEASED = replace(TERRAFORMS, database_user="v-app-x", database_expires=SOON)
EXPIRED = replace(LEASED, database_expires="2020-01-01T00:00:00Z")


class Issuer:
    """A vault that counts."""

    def __init__(self, prefix: str = "v-app") -> None:
        self.prefix = prefix
        self.issued: list[str] = []
        self.revoked: list[str] = []

    def issue(self) -> Credential:
        self.issued.append(f"{self.prefix}-{len(self.issued)}")
        password = Secret("password", datetime.now(UTC) + timedelta(hours=1))
        return Credential(self.issued[-1], password, f"lease of {self.issued[-1]}")

    def revoke(self, credential: Credential) -> None:
        self.revoked.append(credential.lease)


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Issuer:
    found = Issuer()
    monkeypatch.setattr(secrets, "source", lambda settings, environ: SimpleNamespace(issuer=found))
    return found


def session(*standing: Release) -> Any:
    outputs = Outputs(groups={release.key: Group(release.key, ()) for release in standing})
    return cast(Any, SimpleNamespace(settings=None, environ={}, progress=Progress(), outputs=lambda: outputs))


def test_a_new_release_gets_a_user_of_its_own_that_ends(issuer: Issuer) -> None:
    with user_for(session(), Reference(), TERRAFORMS, anew=False) as leased:
        assert leased.release.database_user == "v-app-0"
        assert 3590 < lease.left_until(leased.release.database_expires) <= 3600
        assert [*leased.passwords] == ["v-app-0"]
    assert issuer.revoked == []


@pytest.mark.parametrize("release", [LEASED, TERRAFORMS])
def test_what_stands_keeps_its_user(issuer: Issuer, release: Release) -> None:
    with user_for(session(release), Reference(), release, anew=False) as leased:
        assert (leased.release, dict(leased.passwords)) == (release, {})
    assert issuer.issued == []


@pytest.mark.parametrize(("release", "anew"), [(LEASED, True), (EXPIRED, False), (TERRAFORMS, True)])
def test_rotation_and_expiry_take_a_new_one(issuer: Issuer, release: Release, anew: bool) -> None:
    with user_for(session(release), Reference(), release, anew=anew) as leased:
        assert leased.release.key != release.key
    assert len(issuer.issued) == 1


@pytest.mark.parametrize(("keep", "revoked"), [(False, ["lease of v-app-0"]), (True, [])])
def test_a_failed_release_gives_its_user_back_unless_it_is_kept(issuer: Issuer, keep: bool, revoked: list[str]) -> None:
    with pytest.raises(KeyboardInterrupt), user_for(session(), Reference(), TERRAFORMS, anew=False, keep=keep):
        raise KeyboardInterrupt
    assert issuer.revoked == revoked


@pytest.mark.parametrize("prefix", ["v-oidc-ann@example.com", "v-ldap-ann.b", "v-${x}", "v" * 63])
def test_a_user_whose_name_cannot_stand_in_a_url_is_given_back_and_named(issuer: Issuer, prefix: str) -> None:
    issuer.prefix = prefix
    with pytest.raises(PipelineError) as error, user_for(session(), Reference(), TERRAFORMS, anew=False):
        raise AssertionError("the release went on")
    assert f"'{prefix}-0'" in error.value.message and "username_template" in error.value.hint
    assert issuer.revoked == [f"lease of {prefix}-0"]


def test_without_a_vault_a_leased_user_is_followed_by_terraform_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "source", lambda settings, environ: SimpleNamespace(issuer=None))
    with user_for(session(EXPIRED), Reference({TERRAFORMS.key: TERRAFORMS}), EXPIRED, anew=False) as leased:
        assert (leased.release.database_user, leased.release.database_expires) == ("app_2", "")
    with user_for(session(), Reference(), TERRAFORMS, anew=False) as leased:
        assert leased.release == TERRAFORMS


def test_a_lost_droplet_of_a_leased_user_is_not_made_without_a_password() -> None:
    with pytest.raises(PipelineError, match="handed out once, for a droplet that is gone"):
        lease.refuse_lost({LEASED.key: LEASED}, {})
    lease.refuse_lost({LEASED.key: LEASED}, {LEASED.database_user: Secret("x")})
