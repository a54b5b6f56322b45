"""The few questions that the command line asks a running server."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

from localocean import credentials
from localocean.config import Config
from localocean.host.errors import HostError
from localocean.lock import server_pid

SECONDS = 5.0
USAGE_SECONDS = 600.0
RESET_SECONDS = 300.0


@dataclass(frozen=True)
class Health:
    """A server that answers: its process, and per base image whether it is ready, making or failed."""

    pid: int
    bases: dict[str, str]


def health(config: Config) -> Health | None:
    """None when nobody answers, or somebody who is not the server of this state directory."""
    if server_pid(config) is None:
        return None
    try:
        status, body = _ask(config, "GET", "/_localocean/health", SECONDS)
        values = json.loads(body)
        if status != 200 or values["state"] != str(config.state):
            return None
        return Health(int(values["pid"]), dict(values["bases"]))
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return None


def is_former(port: int) -> bool:
    """Whether a server of the time before the local cloud's name changed answers at a port."""
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/_localcloud/health")
        return "state" in json.loads(connection.getresponse().read(1 << 16))
    except (OSError, HTTPException, ValueError, TypeError):
        return False
    finally:
        connection.close()


def not_running(config: Config) -> HostError:
    """What is said of a cloud that is wanted and down."""
    return HostError(f"The local cloud in {config.state} is not running.", "Start it: localocean up")


def status(config: Config) -> dict[str, Any]:
    values = json.loads(_told(config, "GET", "/_localocean/status", SECONDS))
    assert isinstance(values, dict)
    return values


def usage(config: Config) -> dict[str, Any]:
    """Bytes on disk of droplets and images."""
    values = json.loads(_told(config, "GET", "/_localocean/usage", USAGE_SECONDS))
    assert isinstance(values, dict)
    return values


def login(config: Config, droplet_id: int) -> dict[str, Any]:
    """The address and the host keys of a droplet that can be logged in to."""
    values = json.loads(_told(config, "GET", f"/_localocean/droplets/{droplet_id}/login", SECONDS))
    assert isinstance(values, dict)
    return values


def droplet(config: Config, named: str) -> dict[str, Any]:
    """The droplet with that id or name, as `status` shows it. Raises HostError when that is none or several."""
    return _only(status(config)["droplets"], named, "droplet")


def machine(config: Config, named: str) -> int:
    """The machine of the droplet or database with that id or name. Raises HostError when that is none or several."""
    found = status(config)
    machines = [each | {"machine": each["id"]} for each in found["droplets"]] + found["databases"]
    return int(_only(machines, named, "droplet or database")["machine"])


def _only(machines: list[dict[str, Any]], named: str, kind: str) -> dict[str, Any]:
    found = [each for each in machines if named in (str(each["id"]), each.get("uuid"), each["name"])]
    if len(found) == 1:
        return dict(found[0])
    if not found:
        raise HostError(f"There is no {kind} {named}.", "See them: localocean status")
    ids = ", ".join(str(each["id"]) for each in found)
    raise HostError(f"{len(found)} of them are called {named}.", f"Give the id: {ids}")


def reset(config: Config) -> None:
    _told(config, "POST", "/_localocean/reset", RESET_SECONDS)


def _told(config: Config, method: str, path: str, seconds: float) -> bytes:
    if server_pid(config) is None:
        raise not_running(config)
    try:
        code, body = _ask(config, method, path, seconds)
    except (OSError, HTTPException) as error:
        raise HostError(
            f"The local cloud in {config.state} does not answer: {error}.", "See what it does: localocean logs"
        ) from None
    if code == 401:
        raise HostError(
            f"The token of the local cloud in {config.state} belongs to another user.",
            "Run this as the user who brought it up, or with sudo.",
        )
    if code == 422:
        raise HostError(str(json.loads(body)["message"]))
    if code >= 300:
        raise HostError(f"The local cloud refused {path} ({code}).", f"Look at {config.state / 'server.log'}.")
    return body


def _ask(config: Config, method: str, path: str, seconds: float) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", config.port, timeout=seconds)
    held = credentials.read(config)
    headers = {"Authorization": f"Bearer {held.token}"} if held and path != "/_localocean/health" else {}
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
