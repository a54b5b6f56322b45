"""A served cloud whose machine rooms only remember, so that thousands of requests cost nothing on the machine."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import uvicorn

from localocean.api.app import build
from localocean.config import Config
from localocean.engine import lifecycle
from localocean.engine.cloud import Cloud
from localocean.engine.databases import nodes
from localocean.store.records import IN_PROGRESS
from tests.unit.localocean.machines import Rooms

TOKEN = "the-token-of-the-fuzzed-cloud"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJVnRsmBDBoBhMqiOsIsVLLs7SkbAqVvXFtVqdxBdnZT"
ORDER = {"name": "fuzz", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64", "tags": ["fuzz"]}
DATABASE = {"name": "fuzz", "engine": "pg", "size": "db-s-1vcpu-1gb", "region": "nyc3", "num_nodes": 1}
SETTLED_SECONDS = 30.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-examples", type=int, help="requests per operation and kind; then chosen anew in each run")


@dataclass(frozen=True)
class Target:
    """A cloud that is served on a port of its own, with one of each resource in it."""

    cloud: Cloud
    port: int
    session: requests.Session

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=60, **options)

    def settle(self) -> None:
        """Wait until nothing is being done."""
        deadline = time.monotonic() + SETTLED_SECONDS
        while self.cloud.store.actions.count("status = ?", IN_PROGRESS):
            assert time.monotonic() < deadline, "actions still in progress"
            time.sleep(0.002)

    def state(self) -> list[Any]:
        """All that the cloud remembers; what was asked to go wrong is forgotten first."""
        self.cloud.clear_faults()
        self.settle()
        return [table.find() for table in self.cloud.store.tables()]

    def furnish(self) -> dict[str, list[Any]]:
        """See to it that there is one of each resource, and tell their names by the names of parameters."""
        cloud = self.cloud
        self.call("POST", "/v2/account/keys", json={"name": "fuzz", "public_key": PUBLIC_KEY})
        self.call("POST", "/v2/tags", json={"name": "fuzz"})
        if not cloud.store.droplets.count():
            self.call("POST", "/v2/droplets", json=ORDER).raise_for_status()
        self.settle()
        if not cloud.store.images.count("slug IS NULL AND NOT deleted"):
            droplet = cloud.store.droplets.find()[-1].id
            self.call("POST", f"/v2/droplets/{droplet}/actions", json={"type": "snapshot"}).raise_for_status()
        if not cloud.store.floating_ips.count():
            self.call("POST", "/v2/floating_ips", json={"region": "nyc3"}).raise_for_status()
        if not cloud.store.database_clusters.count("NOT doomed AND status = 'online'"):
            self.call("POST", "/v2/databases", json=DATABASE).raise_for_status()
        self.settle()
        clusters = cloud.store.database_clusters.find("NOT doomed AND status = 'online'")[-2:]
        for kind, name in (("users", "fuzz"), ("dbs", "fuzz")):
            self.call("POST", f"/v2/databases/{clusters[-1].uuid}/{kind}", json={"name": name})
        pool = {"name": "fuzz-pool", "mode": "session", "size": 1, "db": "defaultdb"}
        self.call("POST", f"/v2/databases/{clusters[-1].uuid}/pools", json=pool)
        self.call("POST", f"/v2/databases/{clusters[-1].uuid}/replicas", json={"name": "fuzz-replica"})
        self.settle()
        droplets = [droplet.id for droplet in cloud.store.droplets.find()][-3:]
        images = [image.id for image in cloud.store.images.find("slug IS NULL AND NOT deleted")][-3:]
        return {
            "droplet": droplets,
            "droplet_id": droplets,
            "resource_id": [str(identifier) for identifier in (*droplets, *images)],
            "resource_type": ["droplet", "image", "volume"],
            "resources": [f"do:droplet:{droplets[-1]}"],
            "snapshot": images,
            "image": [*images, "debian-12-x64"],
            "action": [action.id for action in cloud.store.actions.find(newest=True)][:3],
            "ip": [ip.address for ip in cloud.store.floating_ips.find()][:3],
            "key": [key.id for key in cloud.store.keys.find()][:1],
            "ssh_keys": [[key.id] for key in cloud.store.keys.find()][:1],
            "name": ["fuzz"],
            "tag_name": ["fuzz"],
            "region": ["nyc3", "ams3"],
            "size": ["s-1vcpu-1gb", "s-2vcpu-2gb", "db-s-1vcpu-1gb", "db-s-1vcpu-2gb"],
            "engine": ["pg"],
            "type": ["snapshot", "shutdown", "power_on", "power_off", "rename", "rebuild", "resize", "assign"],
            "project": ["default"],
            "cluster": [cluster.uuid for cluster in clusters],
            "user": ["fuzz", "doadmin"],
            "mode": ["transaction", "session"],
            "database": ["fuzz", "defaultdb"],
            "db": ["defaultdb"],
            "pool": ["fuzz-pool"],
            "replica": ["fuzz-replica"],
        }


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lifecycle, "write_seed", lambda root, seed: None)
        patch.setattr(nodes, "write_server", lambda root, spec: None)
        cloud = Cloud(Config.from_environment({"LOCALOCEAN_STATE": str(folder)}), Rooms(folder).machinery())
        cloud.start()
        with _served(cloud) as (port, session):
            yield Target(cloud, port, session)
        cloud.stop()


class _served:
    """The cloud behind a real socket, in a thread."""

    def __init__(self, cloud: Cloud) -> None:
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listener.bind(("127.0.0.1", 0))
        self._server = uvicorn.Server(uvicorn.Config(build(cloud, TOKEN), log_config=None, access_log=False))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]})
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {TOKEN}"

    def __enter__(self) -> tuple[int, requests.Session]:
        self._thread.start()
        deadline = time.monotonic() + SETTLED_SECONDS
        while not self._server.started:
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.01)
        return self._listener.getsockname()[1], self._session

    def __exit__(self, *_: object) -> None:
        self._session.close()
        self._server.should_exit = True
        self._thread.join(SETTLED_SECONDS)
        self._listener.close()
