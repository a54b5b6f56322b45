"""What a deployed environment has, without a bake: a cluster, a droplet that it trusts; and a Vault."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway.database import bridge
from slipway.environment.session import Session
from slipway.tools import ssh
from slipway.tools.digitalocean import Cluster
from slipway.tools.postgres import Database
from slipway.tools.toolchain import Toolchain
from tests.contract.support import Api
from tests.data.server import VaultServer, running
from tests.support import own_cloud

ROOT = Path(__file__).parents[2]
RELEASE = "v1-01234567"


@pytest.fixture(scope="session")
def settings() -> Iterator[dict[str, str]]:
    """The variables that name the session's own cloud."""
    with own_cloud("data") as found, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("LOCALOCEAN_", "DIGITALOCEAN_", "VAULT_"))]:
            patch.delenv(name)
        for name, value in found.items():
            patch.setenv(name, value)
        yield found


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a database, and nothing else that these tests need."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "terraform" / "environments", root / "terraform" / "environments")
    tables = (ROOT / "slipway.toml").read_text().split("[database]")[0]
    (root / "slipway.toml").write_text(tables + '[database]\nversion = "15"\nsize = "db-s-1vcpu-1gb"\nnodes = 1\n')
    return root


@pytest.fixture(scope="session")
def session(settings: dict[str, str], project: Path) -> Session:
    """The pipeline's view of it."""
    return Session(project, dict(os.environ), "local")


@pytest.fixture(scope="session")
def api(session: Session) -> Iterator[Api]:
    """Raw requests to the session's cloud."""
    found = Api(session.settings.cloud.endpoint, session.settings.cloud.token)
    with found.session:
        yield found


@pytest.fixture(scope="session")
def cluster(session: Session, api: Api) -> Cluster:
    """The environment's cluster with the database `app`, trusting what carries the environment's tag."""
    made = api.database(name=session.settings.cluster, region="fra1", tags=session.settings.names.tags)["id"]
    api.call("POST", f"/v2/databases/{made}/dbs", {"name": "app"}, status=201)
    rules = [{"type": "tag", "value": session.settings.tag}]
    api.call("POST", "/v2/tags", {"name": session.settings.tag}, status=201)
    api.call("PUT", f"/v2/databases/{made}/firewall", {"rules": rules}, status=204)
    return bridge.cluster(session)


@pytest.fixture(scope="session")
def live(session: Session, api: Api, cluster: Cluster) -> int:
    """A droplet as the live release would have it: its name, its host key, its tag, the floating IP. Gives its id."""
    key = session.key.host_key(RELEASE)
    ours = api.call("POST", "/v2/account/keys", {"name": "deploy", "public_key": session.key.public}, status=201)
    keys = {"ssh_deletekeys": True, "ssh_keys": {"ed25519_private": key.private, "ed25519_public": key.public}}
    forwarding = {"path": "/etc/ssh/sshd_config.d/00-forwarding.conf", "content": "PermitOpen *:25060\n"}
    droplet = api.droplet(
        name=session.settings.names.droplet(RELEASE),
        region="fra1",
        tags=[session.settings.tag],
        ssh_keys=[ours["ssh_key"]["id"]],
        user_data="#cloud-config\n" + json.dumps({**keys, "write_files": [forwarding]}),
    )
    address = api.call("POST", "/v2/floating_ips", {"region": "fra1"}, status=202)["floating_ip"]["ip"]
    action = {"type": "assign", "droplet_id": droplet["id"]}
    api.finish(api.call("POST", f"/v2/floating_ips/{address}/actions", action, status=201)["action"])
    with ssh.connect(address, session.key.identity, key.public, patience=300) as client:
        ssh.execute(client, "cloud-init status --wait", timeout=300)
    return int(droplet["id"])


@pytest.fixture(scope="session")
def database(session: Session, cluster: Cluster, live: int) -> Iterator[Database]:
    """The administrator's way to the database `app`."""
    with bridge.through_live(session) as way, way.reach(session.api, cluster, "app") as found:
        yield found


@pytest.fixture(scope="session")
def vault(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultServer]:
    """A Vault as its operator would have set it up, not connected to any database yet."""
    with running(Toolchain.from_environment(ROOT, os.environ), tmp_path_factory.mktemp("vault")) as server:
        yield server
