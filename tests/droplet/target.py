"""The droplet that is looked at: where it is, how it is known to be the right one, and what it should be."""

from __future__ import annotations

import io
import socket
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import paramiko
from testinfra.backend.paramiko import ParamikoBackend

from slipway.contract import Contract


class TargetError(Exception):
    """The droplet cannot be looked at; the message says why."""


@dataclass(frozen=True)
class AppFacts:
    """What slipway.toml says of how the app is run."""

    starts_bare: bool = True
    unit: str = "exec"
    writable: list[str] = field(default_factory=list)
    loosen: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Expected:
    """What the droplet should be: the contents of the file given as `--expect`."""

    version: str
    commit: str
    image: str
    contract: Contract
    app: AppFacts = AppFacts()
    release: str = "unknown"
    config: dict[str, str] = field(default_factory=dict)
    database_user: str = ""
    secrets: list[str] = field(default_factory=list)
    templates: dict[str, str] = field(default_factory=dict)

    @property
    def database_urls(self) -> list[str]:
        """The variables that are the database's URL."""
        named = any("{database_" in text for text in self.templates.values())
        usual = ["APP_DATABASE_URL"] if self.database_user and not named else []
        return [name for name, text in self.templates.items() if text == "{database_url}"] or usual

    @classmethod
    def parse(cls, data: dict[str, Any]) -> Expected:
        """What the file says."""
        return cls(**{**data, "contract": Contract(**data["contract"]), "app": AppFacts(**data.get("app", {}))})


@dataclass(frozen=True)
class Target:
    """Where the droplet is. Its host key is known before the first packet, and nothing is trusted on first use.

    One of `identity` (a file) and `private_key` (an ed25519 key in OpenSSH's format) is the way in; `wait` is
    how long a droplet that is booting is waited for, in seconds.
    """

    address: str
    port: int
    host_key: str
    identity: str | None
    private_key: str | None = field(repr=False)
    wait: float

    def connect(self) -> paramiko.SSHClient:
        """A connection as root by this key, to this host key; no agent and no configuration of the caller's."""
        client = paramiko.SSHClient()
        key = self._known_key()
        name = self.address if self.port == 22 else f"[{self.address}]:{self.port}"
        client.get_host_keys().add(name, key.get_name(), key)
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.connect(
            self.address,
            self.port,
            "root",
            pkey=self._own_key(),
            key_filename=self.identity,
            allow_agent=False,
            look_for_keys=False,
            sock=self._socket(),
            banner_timeout=10,
            auth_timeout=10,
        )
        return client

    def _socket(self) -> socket.socket:
        """A connection without Nagle's algorithm, which would hold the first packet of each command back for 40 ms."""
        found = socket.create_connection((self.address, self.port), timeout=5)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found

    def _known_key(self) -> paramiko.PKey:
        entry = paramiko.hostkeys.HostKeyEntry.from_line(" ".join(["droplet", *self.host_key.split()[:2]]))
        if entry is None or entry.key is None:
            raise TargetError("the host key should be as in a known_hosts file: ssh-ed25519 AAAA…")
        return entry.key

    def _own_key(self) -> paramiko.PKey | None:
        if self.identity or not self.private_key:
            return None
        return paramiko.Ed25519Key.from_private_key(io.StringIO(self.private_key))


class StrictBackend(ParamikoBackend):  # type: ignore[misc]  # testinfra carries no type marker
    """Testinfra's own accepts unknown host keys and, cut off, connects again; this one does neither."""

    def __init__(self, target: Target) -> None:
        super().__init__(f"paramiko://root@{target.address}")
        self.target = target

    @cached_property
    def client(self) -> paramiko.SSHClient:
        deadline = time.monotonic() + self.target.wait
        while True:
            try:
                return self.target.connect()
            except (OSError, EOFError, paramiko.SSHException) as error:
                # A wrong host key or a refused login does not get better; a droplet that is booting does.
                final = isinstance(error, (paramiko.BadHostKeyException, paramiko.AuthenticationException))
                if final or time.monotonic() > deadline:
                    where = f"{self.target.address} port {self.target.port}"
                    reason = str(error) or type(error).__name__
                    raise TargetError(f"no SSH connection to {where}: {reason}") from error
                time.sleep(0.1)

    def run(self, command: str, *args: str, **_: object) -> Any:
        line = self.encode(self.get_command(command, *args))
        code, stdout, stderr = self._exec_command(line)
        return self.result(code, line, stdout, stderr)
