"""A release whose database user Vault made: asked for once, told by status, and the way back works."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from slipway.tools.toolchain import Toolchain
from tests.data.server import VaultServer, running
from tests.e2e.checkout import ROOT, Checkout

pytestmark = [pytest.mark.e2e, pytest.mark.host]

SECRETS = '\n[secrets]\nsource = "vault"\n\n[secrets.vault]\ndatabase_role = "app"\n'
CREDENTIALS = "database/creds/app"


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultServer]:
    with running(Toolchain.from_environment(ROOT, os.environ), tmp_path_factory.mktemp("vault")) as server:
        yield server


@pytest.fixture(scope="module")
def environ(checkout: Checkout, vault: VaultServer) -> dict[str, str]:
    """What the pipeline logs in to Vault with, once `slipway.toml` names it and the cluster trusts this machine."""
    if checkout.status()["live"] is None:
        checkout.invoke("build", "deploy", "--version", "v1", "--commit")
    path = checkout.folder / "slipway.toml"
    gateway = ipaddress.ip_network(checkout.cloud["LOCALOCEAN_RANGE"])[1]
    text = path.read_text().replace("trusted_sources = []", f'trusted_sources = ["{gateway}"]')
    path.write_text(text + SECRETS)
    checkout.git("commit", "--quiet", "--all", "--message", "Take database users from Vault")
    found = vault.approle("24h")
    assert checkout.call("deploy", **found).returncode == 0
    ca = base64.b64decode(checkout.cluster("/ca")["ca"]["certificate"]).decode()
    admin = checkout.cluster()["connection"]
    vault.use(admin["host"], ca, admin["user"], admin["password"], ttl="1h")
    return found


def now(checkout: Checkout, environ: dict[str, str]) -> dict[str, Any]:
    """The status of an environment that is as it should be."""
    result = checkout.call("status", "--json", **environ)
    assert result.returncode == 0, result.stdout
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_release_gets_a_user_that_ends_and_the_same_release_no_other(
    checkout: Checkout, vault: VaultServer, environ: dict[str, str]
) -> None:
    before = now(checkout, environ)["database"]
    assert (before["user"].startswith("app_"), before["expires"]) == (True, "")
    for verbs in (
        ("deploy", "--set", "APP_MESSAGE=by Vault"),
        ("deploy", "--set", "APP_MESSAGE=by Vault"),
        ("deploy",),
    ):
        result = checkout.call(*verbs, **environ)
        assert result.returncode == 0, result.stderr
        assert len(vault.audited(CREDENTIALS)) == 1
    status = now(checkout, environ)
    assert status["database"]["user"].startswith("v-approle-app-")
    assert re.search(r"credential expires in \d\d m", checkout.call("status", **environ).stdout)
    assert requests.get(f"{status['url']}api/notes", timeout=5).status_code == 200
    told = json.loads(checkout.call("diff", "standby", "live", "--json", **environ).stdout)
    assert told["boot"]["changed"]["database user"] == [before["user"], status["database"]["user"]]


def test_the_way_back_is_the_user_of_before(checkout: Checkout, vault: VaultServer, environ: dict[str, str]) -> None:
    result = checkout.call("rollback", **environ)
    assert result.returncode == 0, result.stderr
    assert now(checkout, environ)["database"]["user"].startswith("app_")
    assert len(vault.audited(CREDENTIALS)) == 1


def test_a_sealed_vault_is_one_sentence_and_changes_nothing(
    checkout: Checkout, vault: VaultServer, environ: dict[str, str]
) -> None:
    before = now(checkout, environ)
    vault.root.sys.seal()
    assert "is sealed" in checkout.refused("rotate", "database", **environ)
    assert now(checkout, environ) == before
