"""A real Vault on loopback: its storage and its audit are files, its plugin for PostgreSQL is its own."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hvac
import requests

from slipway.tools.toolchain import VAULT_TOOLS, Toolchain
from tests.support import free_port

PLUGIN = "postgresql-database-plugin"
CREATION = ("CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE app_rw",)
# Vault's own would also revoke rights on tables that are not its user's, and fail at it.
REVOCATION = ('DROP ROLE IF EXISTS "{{name}}"',)
POLICY = """
path "secret/data/slipway/*" { capabilities = ["read"] }
path "database/creds/app" { capabilities = ["read"] }
path "sys/leases/revoke" { capabilities = ["update"] }
"""


@dataclass
class VaultServer:
    """A Vault that runs, unsealed; ``root`` is a client that may do everything."""

    address: str
    audit: Path
    root: Any
    unseal_key: str = field(repr=False)

    def approle(self, token_ttl: str) -> dict[str, str]:
        """The environment of a pipeline that may read its secrets and take credentials."""
        approle = self.root.auth.approle
        approle.create_or_update_approle(
            "slipway", token_policies=["slipway"], token_ttl=token_ttl, token_max_ttl="24h"
        )
        role = approle.read_role_id("slipway")["data"]["role_id"]
        secret = approle.generate_secret_id("slipway")["data"]["secret_id"]
        return {"VAULT_ADDR": self.address, "VAULT_ROLE_ID": role, "VAULT_SECRET_ID": secret}

    def use(self, host: str, ca: str, user: str, password: str, *, ttl: str) -> None:
        """Let the database engine make users of the group app_rw in a cluster's database `app`."""
        self.root.secrets.database.configure(
            "cluster",
            plugin_name=PLUGIN,
            allowed_roles=["app"],
            connection_url=f"postgresql://{{{{username}}}}:{{{{password}}}}@{host}:25060/app?sslmode=verify-full",
            tls_ca=ca,
            username=user,
            password=password,
        )
        self.role(ttl)

    def role(self, ttl: str) -> None:
        """How long the users live that are made from now on."""
        self.root.secrets.database.create_role(
            "app", "cluster", list(CREATION), default_ttl=ttl, max_ttl=ttl, revocation_statements=list(REVOCATION)
        )

    def audited(self, path: str) -> list[dict[str, Any]]:
        """The answers to requests of a path that the audit file has."""
        lines = [json.loads(line) for line in self.audit.read_text().splitlines()]
        return [line for line in lines if line["type"] == "response" and line["request"]["path"] == path]


@contextmanager
def running(toolchain: Toolchain, folder: Path) -> Iterator[VaultServer]:
    """Start a new Vault, set it up as docs/data.md says, and end it."""
    toolchain.ensure(VAULT_TOOLS, lambda line: None)
    port, cluster_port = free_port(), free_port()
    address, plugin = f"http://127.0.0.1:{port}", toolchain.vault_plugin()
    (folder / "storage").mkdir()
    config = {
        "storage": {"raft": {"path": str(folder / "storage"), "node_id": "one"}},
        "listener": {"tcp": {"address": f"127.0.0.1:{port}", "tls_disable": True}},
        "api_addr": address,
        "cluster_addr": f"http://127.0.0.1:{cluster_port}",
        "plugin_directory": str(plugin.parent),
        "disable_mlock": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    with (folder / "vault.log").open("w") as log:
        command = [str(toolchain.vault()), "server", f"-config={folder / 'config.json'}"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield _set_up(address, folder, plugin)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _set_up(address: str, folder: Path, plugin: Path) -> VaultServer:
    client = hvac.Client(url=address, token="")
    _wait(lambda: not client.sys.is_initialized())
    made = client.sys.initialize(secret_shares=1, secret_threshold=1)
    client.token = made["root_token"]
    server = VaultServer(address, folder / "audit.log", client, made["keys"][0])
    unseal(server)
    client.sys.enable_audit_device("file", options={"file_path": str(server.audit)})
    client.sys.enable_secrets_engine("kv", path="secret", options={"version": "2"})
    client.sys.enable_secrets_engine("database")
    client.sys.enable_auth_method("approle")
    digest = hashlib.sha256(plugin.read_bytes()).hexdigest()
    registered = {"sha256": digest, "command": plugin.name}
    client.adapter.post(url=f"/v1/sys/plugins/catalog/database/{PLUGIN}", json=registered)
    client.sys.create_or_update_policy("slipway", POLICY)
    _wait(lambda: client.secrets.kv.v2.create_or_update_secret("slipway/notes/local", {"APP_WRITE_TOKEN": "first"}))
    return server


def unseal(server: VaultServer) -> None:
    """Open a sealed Vault."""
    server.root.sys.submit_unseal_key(server.unseal_key)
    _wait(lambda: server.root.sys.read_leader_status()["is_self"])


def _wait(ready: Any) -> None:
    """A server that starts refuses for a moment, and a new KV engine upgrades itself first."""
    deadline = time.monotonic() + 60
    while True:
        try:
            if ready():
                return
        except (requests.ConnectionError, hvac.exceptions.VaultError):
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, "Vault did not become ready"
        time.sleep(0.1)
