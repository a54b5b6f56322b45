"""Everything that a verb needs, made when it is first asked for: one environment, its tools, its key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.config import Project, Settings, choose_cloud, choose_environment
from pipeline.errors import PipelineError
from pipeline.keys import DeployKey
from pipeline.progress import Progress
from pipeline.reference import Reference
from pipeline.tools.digitalocean import API
from pipeline.tools.git import Git
from pipeline.tools.localcloud import LocalCloud
from pipeline.tools.terraform import Terraform, backend, has_state
from pipeline.tools.toolchain import Toolchain


class Session:
    """One environment as one run sees it. Raises PipelineError for an unknown environment or an unusable cloud."""

    def __init__(self, root: Path, environ: Mapping[str, str], environment: str | None = None) -> None:
        self.environ = environ
        self.progress = Progress()
        project = Project.load(root)
        name = choose_environment(root, environ, environment)
        cloud = choose_cloud(name, environ, LocalCloud(root, self.progress).up)
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
        return API(self.settings.cloud)

    @cached_property
    def key(self) -> DeployKey:
        """The environment's deploy key."""
        return DeployKey.load(self.settings.work, self.environ.get("DEPLOY_SSH_KEY"))

    @cached_property
    def toolchain(self) -> Toolchain:
        """Packer, OpenTofu and the rest, built when they are first needed."""
        return Toolchain.from_environment(self.settings.project.root, self.environ)

    @cached_property
    def terraform(self) -> Terraform:
        """The environment's release graph, ready to be applied."""
        self._refuse_a_state_that_would_be_lost()
        self.toolchain.ensure(["opentofu", "terraform-provider-digitalocean"], self.progress.detail)
        project = self.settings.project
        env = {
            **self.toolchain.environment("opentofu"),
            **self.settings.cloud.environment,
            "TF_IN_AUTOMATION": "1",
            "TF_VAR_environment": self.settings.environment,
            "TF_VAR_region": project.region,
            "TF_VAR_deploy_public_key": self.key.public,
            "TF_VAR_project": str(project.root),
        }
        terraform = Terraform(
            self.toolchain.tofu(),
            project.root / "terraform",
            self.settings.work,
            env,
            self.settings.environment,
        )
        terraform.init()
        return terraform

    def _refuse_a_state_that_would_be_lost(self) -> None:
        name = self.settings.environment
        kept = backend(self.settings.project.root / "terraform", name).exists()
        if self.environ.get("CI") and self.settings.cloud.name != "local" and not kept:
            raise PipelineError(
                f"The state of {name} would be kept on this runner, and lost with it.",
                f"Give it a backend: terraform/environments/{name}.backend.tf, as docs/production.md shows.",
            )

    def outputs(self) -> dict[str, Any]:
        """The outputs in the state; empty, and without any tool, where nothing was ever applied from here."""
        source = self.settings.project.root / "terraform"
        known = has_state(self.settings.work, source, self.settings.environment)
        return self.terraform.outputs() if known else {}

    def host_keys(self, reference: Reference) -> dict[str, str]:
        """The variable that gives Terraform the host keys of a reference's releases."""
        keys = {name: self.key.host_key(name) for name in reference.releases}
        return {
            "TF_VAR_host_keys": json.dumps(
                {name: {"private": key.private, "public": key.public} for name, key in keys.items()}
            )
        }
