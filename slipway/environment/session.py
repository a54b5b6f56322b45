"""Everything that a verb needs, made when it is first asked for: one environment, its tools, its key."""

from __future__ import annotations

import hmac
import json
import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from slipway.config import ENVIRONMENTS, Settings, choose_cloud, choose_environment
from slipway.data import OpenTable, read_json
from slipway.environment.keys import DeployKey
from slipway.environment.outputs import Outputs
from slipway.environment.reference import Reference
from slipway.environment.state_key import StateKey
from slipway.errors import PipelineError
from slipway.names import Names
from slipway.progress import Listener, Progress
from slipway.project import Project
from slipway.redaction import learn
from slipway.tools import files
from slipway.tools.digitalocean import API
from slipway.tools.git.git import Git
from slipway.tools.localocean import LocalCloud
from slipway.tools.terraform import state
from slipway.tools.terraform.encryption import Encryption, is_encrypted
from slipway.tools.terraform.engine import Root, Terraform, expression
from slipway.tools.toolchain import Toolchain


@dataclass(frozen=True, kw_only=True)
class _Kept(OpenTable):
    """The outputs of the state whose keyed digest is ``state``."""

    state: str
    outputs: dict[str, Any]


class Session:
    """One environment as one run sees it. Raises PipelineError for an unknown environment or an unusable cloud."""

    def __init__(
        self, root: Path, environ: Mapping[str, str], environment: str | None = None, listeners: Iterable[Listener] = ()
    ) -> None:
        self.environ = environ
        self.progress = Progress()
        self.progress.listeners.extend(listeners)
        project = Project.load(root)
        name = choose_environment(root, environ, environment)
        Names(project.name, name)  # too long ones are refused before a cloud is started for them
        cloud = choose_cloud(name, environ, lambda: LocalCloud(root, self.progress).of(environ))
        learn(cloud.token)
        self.settings = Settings(project, name, cloud)
        # Its owner's alone: the deploy key, the state and the settings of the app are in it.
        self.settings.work.mkdir(mode=0o700, parents=True, exist_ok=True)

    @cached_property
    def git(self) -> Git:
        """The repository."""
        return Git(self.settings.project.root)

    @cached_property
    def api(self) -> API:
        """The cloud's own answers."""
        return API(self.settings.cloud, self.progress.detail)

    @cached_property
    def key(self) -> DeployKey:
        """The environment's deploy key."""
        return DeployKey.load(self.settings.work, self.environ.get("DEPLOY_SSH_KEY"))

    @cached_property
    def toolchain(self) -> Toolchain:
        """Packer, OpenTofu and the rest, built when they are first needed."""
        project = self.settings.project
        return Toolchain.from_environment(project.root, self.environ, project.toolchain)

    def state_key(self) -> str:
        """What encrypts the environment's states."""
        return self._state_key

    @cached_property
    def _state_key(self) -> str:
        found = StateKey(self.settings.work, self.environ)
        fresh = not (found.given or found.path.exists())
        key = found.load((root.state for root in self.roots), elsewhere=any(root.elsewhere for root in self.roots))
        if fresh:
            self.progress.warn(
                f"{os.path.relpath(found.path)} was made: it encrypts the state, and nothing opens that without it"
            )
        return key

    @cached_property
    def roots(self) -> tuple[Root, Root]:
        """The two root modules: the app's and the database's, which outlives it."""
        root, name, work = self.settings.project.root, self.settings.environment, self.settings.work
        source = files.home(root, "terraform") / "terraform"
        environments, lock = root / ENVIRONMENTS, self.toolchain.provider_lock
        return (
            Root(source, work / "terraform", environments / f"{name}.backend.tf", lock),
            Root(source / "database", work / "database", environments / f"{name}.database.backend.tf", lock),
        )

    def terraform(self) -> Terraform:
        """The environment's release graph, ready to be applied; at first this may build tools or re-encrypt it."""
        return self._terraform

    @cached_property
    def _terraform(self) -> Terraform:
        root = self.settings.project.root
        variables = {
            "deploy_public_key": self.key.public,
            "project": str(root),
            "files": str(files.home(root, "provisioning")),
            "command": command(root),
        }
        return self.engine(self.roots[0], variables)

    def database(self) -> Terraform:
        """The environment's database, in the same way."""
        return self._database

    @cached_property
    def _database(self) -> Terraform:
        wanted = self.settings.project.database
        if wanted is None:
            raise PipelineError("slipway.toml has no [database].", "git log -p slipway.toml shows whether it had one.")
        cluster = {
            "version": wanted.version,
            "size": wanted.size,
            "nodes": wanted.nodes,
            "trusted_sources": [{"type": kind, "value": value} for kind, value in wanted.trusted_sources],
        }
        return self.engine(self.roots[1], {"database": expression(cluster)})

    def engine(self, root: Root, variables: Mapping[str, str], encryption: Encryption | None = None) -> Terraform:
        """The engine in a root module that is up to date and whose state is encrypted as wanted."""
        self._refuse_a_state_that_would_be_lost(root)
        self.toolchain.ensure(["opentofu", "terraform-provider-digitalocean"], self.progress.detail)
        project, names = self.settings.project, self.settings.names
        shared = {
            "environment": names.environment,
            "region": project.droplet.region,
            "names": json.dumps(names.for_terraform),
        }
        env = {
            **self.toolchain.environment("opentofu"),
            **self.settings.cloud.environment,
            "TF_IN_AUTOMATION": "1",
            **{f"TF_VAR_{name}": value for name, value in {**shared, **variables}.items()},
        }
        state.rescue(root.folder, self.progress.warn)
        encryption = encryption or self._encryption(root)
        terraform = Terraform(self.toolchain.tofu(), root, env, encryption)
        terraform.init()
        if encryption.migrating:
            terraform.reencrypt()
        return terraform

    def _encryption(self, root: Root) -> Encryption:
        """The encryption that is wanted; for a state that is found otherwise, on its way there."""
        if self.settings.project.state.encryption == "off":
            encrypted = is_encrypted(root.state)
            return Encryption(None).after(self.state_key()) if encrypted else Encryption(None)
        self.refuse_an_engine_that_cannot_encrypt()
        plain = is_encrypted(root.state) is False
        return Encryption(self.state_key()).after(None) if plain else Encryption(self.state_key())

    def refuse_an_engine_that_cannot_encrypt(self) -> None:
        """Raise PipelineError for HashiCorp's Terraform, which has no encryption of states."""
        if not self.toolchain.encrypts():
            raise PipelineError(
                "TERRAFORM names HashiCorp's Terraform, which cannot encrypt its state, and the state holds secrets.",
                'Unset TERRAFORM to use OpenTofu, or ask for plain text: [state] encryption = "off" in slipway.toml.',
            )

    def _refuse_a_state_that_would_be_lost(self, root: Root) -> None:
        if self.environ.get("CI") and self.settings.cloud.name != "local" and not root.elsewhere:
            raise PipelineError(
                f"The state of {self.settings.environment} would be kept on this runner, and lost with it.",
                f"Give it a backend: {ENVIRONMENTS}/{root.backend.name}, as docs/production.md shows.",
            )

    def outputs(self) -> Outputs:
        """What the last apply left; nothing, and without any tool, where nothing was ever applied from here.

        Those of a state that lies here are kept beside it, and read again when another one lies there or the key is
        another: each reading takes a decryption. Nothing in them is secret: git and the cloud say the same.
        """
        root = self.roots[0]
        if not root.has_state or root.elsewhere:
            return Outputs.parse(self.terraform().outputs() if root.has_state else {})
        kept = root.folder / "outputs.json"
        key = self.state_key() if self.settings.project.state.encryption == "on" else ""
        state = hmac.digest(key.encode(), root.state.read_bytes(), "sha256").hex()
        try:
            found = read_json(kept.read_bytes(), _Kept)
            if found.state == state:
                return Outputs.parse(found.outputs)
        except (FileNotFoundError, ValueError):
            pass
        outputs = self.terraform().outputs()
        with suppress(OSError):  # it saves a decryption, and no more
            kept.write_text(json.dumps({"state": state, "outputs": outputs}))
        return Outputs.parse(outputs)

    def host_keys(self, reference: Reference) -> dict[str, str]:
        """The variable that gives Terraform the host keys of a reference's releases."""
        keys = {name: self.key.host_key(name) for name in reference.releases}
        return {
            "TF_VAR_host_keys": expression(
                {name: {"private": key.private, "public": key.public} for name, key in keys.items()}
            )
        }


def command(root: Path) -> str:
    """What the release graph calls slipway by: a checkout's `./invoke`, else this very Python."""
    if os.access(root / "invoke", os.X_OK):
        return "./invoke"
    return shlex.join([sys.executable, "-Es", "-m", "slipway"])
