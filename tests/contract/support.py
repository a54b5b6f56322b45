"""The command line and the API of a cloud under test."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from localocean.host import cgroups
from tests.contract import shapes
from tests.support import PATIENCE_S, until

ROOT = Path(__file__).parents[2]
SSH = (
    *("ssh", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=2"),
    *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
    *("-o", "ServerAliveInterval=5"),  # one that goes down says nothing
)
"""A login to a droplet that is gone soon."""


@dataclass(frozen=True)
class Daemon:
    """The command line of one cloud."""

    env: dict[str, str]

    @property
    def state(self) -> Path:
        return Path(self.env["LOCALOCEAN_STATE"])

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "localocean", *arguments]
        done = subprocess.run(command, env=self.env, cwd=ROOT, text=True, capture_output=True, timeout=PATIENCE_S)
        assert not check or done.returncode == 0, done.stderr
        return done

    def up(self) -> dict[str, Any]:
        found = json.loads(self.run("up", "--json").stdout)
        assert isinstance(found, dict)
        return found


class Api:
    """Raw requests, so that a test sees what is on the wire."""

    def __init__(self, endpoint: str, token: str) -> None:
        self.endpoint = endpoint
        self.token = token
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        answer = self.session.request(method, self.endpoint + path, timeout=60, **options)
        if "json" in answer.headers.get("content-type", ""):
            assert not (found := shapes.differences(path, answer.status_code, answer.json())), (method, path, found)
        return answer

    def call(self, method: str, path: str, body: object = None, *, status: int) -> Any:
        answer = self.send(method, path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def get(self, path: str) -> Any:
        return self.call("GET", path, status=200)

    def finish(self, action: dict[str, Any]) -> dict[str, Any]:
        """The action as it ended."""

        def ended() -> dict[str, Any] | None:
            found: dict[str, Any] = self.get(f"/v2/actions/{action['id']}")["action"]
            return found if found["completed_at"] else None

        return until(ended)

    def key(self, identity: Path) -> dict[str, Any]:
        """A new key pair in a file, whose public half the account has under the file's name."""
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(identity)], check=True)
        order = {"name": identity.name, "public_key": identity.with_suffix(".pub").read_text().strip()}
        made: dict[str, Any] = self.call("POST", "/v2/account/keys", order, status=201)["ssh_key"]
        return made

    def droplet(self, **fields: Any) -> dict[str, Any]:
        """A new droplet, active."""
        order = {"name": "test", "region": "nyc3", "size": "s-1vcpu-512mb-10gb", "image": "debian-12-x64"}
        answer = self.call("POST", "/v2/droplets", order | fields, status=202)
        ended = self.finish(answer["links"]["actions"][0])
        assert ended["status"] == "completed", self.reason(ended)
        found = self.get(f"/v2/droplets/{answer['droplet']['id']}")["droplet"]
        assert found["status"] == "active"
        assert isinstance(found, dict)
        return found

    def database(self, **fields: Any) -> dict[str, Any]:
        """A new database cluster, online."""
        order = {"name": "data", "engine": "pg", "version": "15", "size": "db-s-1vcpu-1gb", "region": "nyc3"}
        made = self.call("POST", "/v2/databases", order | {"num_nodes": 1} | fields, status=201)["database"]
        return self.online(made["id"])

    def online(self, cluster: str, replica: str = "") -> dict[str, Any]:
        """A database cluster, or a replica of it, as soon as it is online."""
        path = f"/v2/databases/{cluster}" + (f"/replicas/{replica}" if replica else "")

        def ready() -> dict[str, Any] | None:
            found: dict[str, Any]
            (found,) = self.get(path).values()
            return found if found["status"] == "online" else None

        return until(ready)

    def reason(self, action: dict[str, Any]) -> str:
        """Why an action ended as errored."""
        errors = self.get("/_localocean/status")["errors"]
        return str(next((error["reason"] for error in errors if error["action"] == action["id"]), ""))

    def act(self, droplet_id: int, type: str, **arguments: Any) -> dict[str, Any]:
        """A droplet action that must succeed, as it ended."""
        body = {"type": type, **arguments}
        ended = self.finish(self.call("POST", f"/v2/droplets/{droplet_id}/actions", body, status=201)["action"])
        assert ended["status"] == "completed"
        return ended

    def fault(self, **fields: Any) -> dict[str, Any]:
        """A fault, as it was asked for."""
        made: dict[str, Any] = self.call("POST", "/_localocean/faults", fields, status=201)["fault"]
        return made

    def clear(self, fault: dict[str, Any] | None = None) -> None:
        """Clear a fault, or all."""
        self.call("DELETE", f"/_localocean/faults/{fault['id']}" if fault else "/_localocean/faults", status=204)

    def delete_droplet(self, droplet_id: int) -> None:
        self.call("DELETE", f"/v2/droplets/{droplet_id}", status=204)
        until(lambda: self.send("GET", f"/v2/droplets/{droplet_id}").status_code == 404)


def control_groups(pattern: str) -> list[Path]:
    """The machines' control groups whose names are like this; what a machine nests in its own does not count."""
    places = [place for each in cgroups.mounted() for place in (each.root, each.root / "system.slice")]
    return [group for place in places for group in place.glob(pattern)]


def public_address(droplet: dict[str, Any]) -> str:
    return next(str(net["ip_address"]) for net in droplet["networks"]["v4"] if net["type"] == "public")


def answers(address: str) -> bool:
    """Whether an SSH server is there."""
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
