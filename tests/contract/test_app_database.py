"""The app's own tests against a managed database: queries, pool, migrations, rights and absences, over TLS."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from slipway.tools.toolchain import Toolchain
from tests.contract.support import ROOT, Api

PACKAGES = (".", "./internal/schema", "./internal/store", "./internal/command")


@pytest.fixture
def database(api: Api, clean: None, tmp_path: Path) -> Iterator[str]:
    """The URL of a new cluster's administrator, by which its server has to prove who it is."""
    order = {"name": "app", "engine": "pg", "version": "15", "size": "db-s-1vcpu-1gb", "region": "nyc3", "num_nodes": 1}
    cluster = api.call("POST", "/v2/databases", order, status=201)["database"]["id"]
    uri = urlsplit(str(api.online(cluster)["connection"]["uri"]))
    authority = tmp_path / "ca.pem"
    authority.write_bytes(base64.b64decode(api.get(f"/v2/databases/{cluster}/ca")["ca"]["certificate"]))
    yield uri._replace(query=urlencode({"sslmode": "verify-full", "sslrootcert": str(authority)})).geturl()


def test_the_apps_own_tests_pass_on_a_managed_database(database: str) -> None:
    toolchain = Toolchain.from_environment(ROOT, os.environ)
    tested = subprocess.run(
        [str(toolchain.go()), "test", "-count=1", "-v", "-skip", "TheSameSource", *PACKAGES],
        cwd=ROOT / "app",
        env={**os.environ, **toolchain.environment("go"), "APP_TEST_DATABASE_URL": database},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert tested.returncode == 0, tested.stdout[-6000:] + tested.stderr[-2000:]
    assert "--- PASS: TestTheWholePathOfARelease" in tested.stdout
    assert "--- SKIP" not in tested.stdout
