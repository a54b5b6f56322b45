"""A release as a person makes it who has only the tools: go build, packer build, tofu apply, each typed with its flags.

They get the same files as the pipeline gives them: the template and its variables, the test command of the bake, the
root module with its gates, and the reference file of the release. What a person would have to work out between the
commands (names, digests, that file) is not timed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.figures import Run, Stopwatch
from slipway.environment import boot, reference
from slipway.environment.session import Session
from slipway.image import version
from slipway.image.bake import Recipe, packer_variables
from slipway.image.bake_run import BakeRun
from slipway.image.go_program import Source
from slipway.image.image import Inputs
from slipway.release.compose import compose
from slipway.tools.programs.process import run


class ByHand:
    """Releases into the same environment of the same clone as the pipeline's, so that either can follow the other."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._project = session.settings.project

    def release(self, name: str) -> Run:
        """Make a new version live, and time each command."""
        watch = Stopwatch()
        _, commit = version.resolve(self._session.git, name, Source.of(self._project).paths, dirty=False)
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            binary = Path(folder) / "app"
            with watch.time("go build"):
                self._compile(binary, name, commit)
            recipe = Recipe(name, commit, binary, Inputs.read(self._project, self._session.git, binary))
            run = BakeRun("by-hand", self._project.name, recipe.image, self._session.settings.cloud.endpoint)
            variables = packer_variables(self._session, recipe, Path(folder), run)
            with watch.time("packer build"):
                self._bake(variables)
        self._deploy(name, watch)
        return watch.run

    def _compile(self, binary: Path, name: str, commit: str) -> None:
        flags = f"-s -w -buildid= -X main.version={name} -X main.commit={commit}"
        env = {**self._session.toolchain.environment("go"), "GOOS": "linux", "GOARCH": "amd64"}
        argv = [
            str(self._session.toolchain.go()),
            "build",
            "-trimpath",
            "-buildvcs=false",
            "-ldflags",
            flags,
            "-o",
            str(binary),
            ".",
        ]
        run(argv, cwd=self._project.root / "app", env=env)

    def _bake(self, variables: Mapping[str, str]) -> None:
        toolchain, cloud = self._session.toolchain, self._session.settings.cloud
        values = [f"-var={key}={value}" for key, value in variables.items()]
        argv = [str(toolchain.packer()), "build", "-color=false", *values, "."]
        env = {**toolchain.environment("packer"), **cloud.environment}
        run(argv, cwd=self._project.root / "packer", env=env)

    def _deploy(self, name: str, watch: Stopwatch) -> None:
        session, settings = self._session, self._session.settings
        current = reference.read(settings.reference_path)
        target = current.deploying(compose(session, current, name, None))
        var_file = settings.work / "by-hand.tfvars.json"
        reference.write(var_file, target)
        env = {**session.terraform().environment, **session.host_keys(target), **boot.variable(target.releases, {})}
        argv = [str(session.toolchain.tofu()), "apply", "-auto-approve", "-input=false", f"-var-file={var_file}"]
        with watch.time("tofu apply"):
            run(argv, cwd=session.terraform().folder, env=env)
        reference.write(settings.reference_path, target)
