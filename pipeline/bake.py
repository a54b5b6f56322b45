"""version -> image: baked once, tested while it is being baked, never edited."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline import artifact, image, manifest, version
from pipeline.errors import PipelineError
from pipeline.keys import HostKey
from pipeline.progress import Progress
from pipeline.session import Session
from pipeline.tools.digitalocean import Image
from pipeline.tools.packer import Packer
from pipeline.tools.toolchain import RELEASE_TOOLS

IMAGE_TESTS = ("test_image.py", "test_clean.py")


@dataclass(frozen=True)
class Recipe:
    """Everything that makes one image, worked out before anything is started."""

    version: str
    commit: str
    binary: Path
    inputs: image.Inputs

    @property
    def image(self) -> str:
        """The image's name."""
        return self.inputs.name(self.version)


def build(session: Session, asked: str | None, *, dirty: bool) -> Image:
    """The image of a version, baked now unless the same inputs were baked before.

    Raises PipelineError for uncommitted changes, for a version that was baked from other inputs, and for a bake that
    fails, its tests included.
    """
    name, commit = version.resolve(session.git, asked, dirty=dirty)
    binary = _binary(session, name, commit)
    recipe = Recipe(name, commit, binary, image.Inputs.read(session.settings.project, session.git, binary))
    found = image.baked_before(session.api.images(), recipe.inputs, name)
    if found is None:
        with session.progress.step(f"bake {recipe.image}"):
            _bake(session, recipe)
        return image.find(session.api.images(), name)
    session.progress.say(f"  ✓ {found.name} was baked before")
    return found


def _binary(session: Session, name: str, commit: str) -> Path:
    def go() -> Path:
        session.progress.detail(f"compiling the app, {name}")
        return session.toolchain.go()

    cache = session.settings.project.work / "build"
    return artifact.binary(session.git, cache, name, commit, go, session.toolchain.environment("go"))


def _bake(session: Session, recipe: Recipe) -> None:
    settings, toolchain, progress = session.settings, session.toolchain, session.progress
    toolchain.ensure(RELEASE_TOOLS, progress.detail)  # those of the deploy as well: they are fetched side by side
    packer = Packer(toolchain.packer(), {**toolchain.environment("packer"), **settings.cloud.environment})
    log_path = settings.work / "logs" / f"bake-{recipe.image}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="slipway-bake-") as folder, log_path.open("w") as log:
        variables = packer_variables(session, recipe, Path(folder))
        try:
            packer.build(settings.project.root / "packer", variables, _watch(log.write, progress))
        except PipelineError as error:
            log.flush()
            raise PipelineError(error.message, f"{_last_words(log_path)}\nAll of its output: {log_path}") from error
        manifest.keep(settings.project.work, recipe.image, Path(variables["contents"]))


def packer_variables(session: Session, recipe: Recipe, folder: Path) -> dict[str, str]:
    """The variables of the template; the files that they name, which are secret, are made in ``folder``."""
    project = session.settings.project
    host_key = session.key.host_key(f"bake {recipe.image}")
    expected = {"version": recipe.version, "commit": recipe.commit, "image": recipe.image}
    expect = _private_file(folder / "expect.json", json.dumps(expected))
    return {
        "image_name": recipe.image,
        "version": recipe.version,
        "commit": recipe.commit,
        "digest": recipe.inputs.digest,
        "tags": json.dumps(recipe.inputs.tags(recipe.version, recipe.commit)),
        "base_image": recipe.inputs.base,
        "region": project.region,
        "size": project.size,
        "binary": str(recipe.binary),
        "provisioning_dir": str(project.root / "provisioning"),
        "user_data_file": str(_private_file(folder / "user-data", _user_data(host_key))),
        "test_command": _test_command(project.root / "tests" / "droplet", host_key, expect),
        "manifest": str(session.settings.work / "manifest.json"),
        "contents": str(folder / "contents.json.gz"),
        "run_id": secrets.token_hex(4),
    }


def _user_data(host_key: HostKey) -> str:
    """Cloud-config that gives the build droplet a host key which its tests know beforehand."""
    return "#cloud-config\n" + json.dumps(
        {
            "ssh_deletekeys": True,
            "ssh_genkeytypes": [],
            "ssh_keys": {"ed25519_private": host_key.private, "ed25519_public": host_key.public},
        }
    )


def _test_command(tests: Path, host_key: HostKey, expect: Path) -> str:
    words = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--confcutdir={tests}"),
        *(str(tests / test) for test in IMAGE_TESTS),
        f"--host-key={host_key.public}",
        f"--expect={expect}",
    ]
    return shlex.join(words)


def _private_file(path: Path, text: str) -> Path:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return path


def _watch(keep: Callable[[str], object], progress: Progress) -> Callable[[str], None]:
    """Keep every line of Packer's, and show those with which it begins something."""

    def on_line(line: str) -> None:
        keep(line + "\n")
        _, arrow, said = line.partition("==> ")
        if arrow and ": " in said:
            progress.detail(said.partition(": ")[2])

    return on_line


def _last_words(log: Path, count: int = 25) -> str:
    return "\n".join(log.read_text().splitlines()[-count:])
