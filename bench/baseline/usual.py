"""The usual way, command by command: go build, packer build, tofu apply, each as a person types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from bench.figures import Run, Stopwatch
from slipway.environment.session import Session
from slipway.tools.programs.process import run

HERE = Path(__file__).parent


class Usual:
    """One droplet whose image is edited, in the same cloud as the pipeline's releases and apart from them."""

    def __init__(self, session: Session, folder: Path) -> None:
        self._session = session
        self._project = session.settings.project
        self._folder = folder
        folder.mkdir()
        shutil.copy(HERE / "main.tf", folder)
        shutil.copy(HERE / "app.pkr.hcl", folder)
        self._tofu("init")

    @property
    def address(self) -> str:
        """The floating IP."""
        return str(json.loads(self._tofu("output", "-json"))["address"]["value"])

    def bake(self, version: str) -> Run:
        """Compile what the clone holds, install it on a droplet, photograph that."""
        watch = Stopwatch()
        binary = self._folder / "app"
        with watch.time("go build"):
            flags = f"-s -w -X main.version={version}"
            env = {**self._session.toolchain.environment("go"), "GOOS": "linux", "GOARCH": "amd64"}
            argv = [str(self._session.toolchain.go()), "build", "-ldflags", flags, "-o", str(binary), "."]
            run(argv, cwd=self._project.root / "app", env=env)
        values = {
            "image_name": f"usual-{version}",
            "binary": str(binary),
            "provisioning_dir": str(self._project.root / "provisioning"),
            "region": self._project.droplet.region,
            "size": self._project.droplet.size,
            "base_image": self._project.image.base,
        }
        toolchain = self._session.toolchain
        argv = [str(toolchain.packer()), "build", "-color=false", *(f"-var={k}={v}" for k, v in values.items()), "."]
        env = {**toolchain.environment("packer"), **self._session.settings.cloud.environment}
        with watch.time("packer build"):
            run(argv, cwd=self._folder, env=env)
        return watch.run

    def apply(self, version: str, depends_on: str = "") -> Run:
        """Edit the image's name and apply; ``depends_on`` is a setting of the app."""
        values = {
            "image": f"usual-{version}",
            "release": version,
            "depends_on_address": depends_on,
            "region": self._project.droplet.region,
            "size": self._project.droplet.size,
        }
        watch = Stopwatch()
        with watch.time("tofu apply"):
            self._tofu("apply", "-auto-approve", "-input=false", *(f"-var={k}={v}" for k, v in values.items()))
        return watch.run

    def _tofu(self, *arguments: str) -> str:
        env = {**self._session.toolchain.environment("opentofu"), **self._session.settings.cloud.environment}
        return run([str(self._session.toolchain.tofu()), *arguments], cwd=self._folder, env=env)
