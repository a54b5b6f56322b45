"""How a client finds and enters a cloud: `<state>/credentials.json`, readable by whoever brought the cloud up."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from localocean.config import Config


@dataclass(frozen=True)
class Credentials:
    """The address of the cloud's API and the token that it wants."""

    endpoint: str
    token: str

    def __repr__(self) -> str:
        return f"Credentials({self.endpoint!r}, token=…)"


def endpoint(config: Config) -> str:
    return f"http://127.0.0.1:{config.port}"


def read(config: Config) -> Credentials | None:
    """None when there are none, or when they are not ours to read."""
    try:
        values = json.loads((config.state / "credentials.json").read_text())
        return Credentials(endpoint(config), str(values["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def ensure(config: Config) -> Credentials:
    """The cloud's credentials; the token is made once. The file belongs to the user behind sudo."""
    credentials = read(config) or Credentials(endpoint(config), secrets.token_hex(32))
    values = {"endpoint": credentials.endpoint, "token": credentials.token}
    hand_over(config.state / "credentials.json", json.dumps(values).encode())
    return credentials


def hand_over(path: Path, content: bytes) -> None:
    """Write a file for the user behind sudo alone, at once or not at all."""
    draft = path.with_suffix(".tmp")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        os.fchown(file.fileno(), *owner())
    draft.replace(path)


def owner() -> tuple[int, int]:
    """The user and group that the cloud belongs to."""
    return int(os.environ.get("SUDO_UID", os.geteuid())), int(os.environ.get("SUDO_GID", os.getegid()))
