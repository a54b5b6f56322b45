"""version -> image: baked once, tested while it is being baked, never edited."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from pipeline import artifact, image, version
from pipeline.config import Settings
from pipeline.errors import PipelineError
from pipeline.keys import HostKey
from pipeline.progress import Progress
from pipeline.session import Session
from pipeline.tools.digitalocean import Image
from pipeline.tools.packer import Packer
from pipeline.tools.toolchain import RELEASE_TOOLS

IMAGE_TESTS = ("test_image.py", "test_clean.py")


def build(session: Session, asked: str | None, *, dirty: bool) -> Image:
    """The image of a version, baked now unless the same inputs were baked before.

    Raises PipelineError for uncommitted changes, for a version that was baked from other inputs, and for a bake that
    fails, its tests included.
    """
    project, progress = session.settings.project, session.progress
    name, commit = version.resolve(session.git, asked, dirty=dirty)
    binary = _binary(session, name, commit)
    inputs = image.Inputs.read(project, session.git, binary)
    found = image.baked_before(session.api.images(), inputs, name)
    if found is None:
        with progress.step(f"bake {inputs.name(name)}"):
            _bake(session, inputs, name, commit, binary)
        return image.find(session.api.images(), name)
    progress.say(f"  ✓ {found.name} was baked before")
    return found


def _binary(session: Session, name: str, commit: str) -> Path:
    def go() -> Path:
        session.progress.detail(f"compiling the app, {name}")
        return session.toolchain.go()

    cache = session.settings.project.work / "build"
    return artifact.binary(session.git, cache, name, commit, go, session.toolchain.environment("go"))


def _bake(session: Session, inputs: image.Inputs, name: str, commit: str, binary: Path) -> None:
    settings, toolchain, progress = session.settings, session.toolchain, session.progress
    toolchain.ensure(RELEASE_TOOLS, progress.detail)  # those of the deploy as well: they are fetched side by side
    packer = Packer(toolchain.packer(), {**toolchain.environment("packer"), **settings.cloud.environment})
    image_name = inputs.name(name)
    log_path = settings.work / "logs" / f"bake-{image_name}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="slipway-bake-") as folder, log_path.open("w") as log:
        host_key = session.key.host_key(f"bake {image_name}")
        variables = {
            "image_name": image_name,
            "version": name,
            "commit": commit,
            "digest": inputs.digest,
            "tags": json.dumps(inputs.tags(name, commit)),
            "base_image": inputs.base,
            "region": settings.project.region,
            "size": settings.project.size,
            "binary": str(binary),
            "provisioning_dir": str(settings.project.root / "provisioning"),
            "user_data_file": str(_private_file(Path(folder) / "user-data", _user_data(host_key))),
            "test_command": _test_command(settings, Path(folder), host_key, image_name, name, commit),
            "manifest": str(settings.work / "manifest.json"),
            "run_id": secrets.token_hex(4),
        }
        try:
            packer.build(settings.project.root / "packer", variables, _watch(log.write, progress))
        except PipelineError as error:
            log.flush()
            raise PipelineError(error.message, f"{_last_words(log_path)}\nAll of its output: {log_path}") from error


def _user_data(host_key: HostKey) -> str:
    """Cloud-config that gives the build droplet a host key which its tests know beforehand."""
    return "#cloud-config\n" + json.dumps(
        {
            "ssh_deletekeys": True,
            "ssh_genkeytypes": [],
            "ssh_keys": {"ed25519_private": host_key.private, "ed25519_public": host_key.public},
        }
    )


def _test_command(settings: Settings, folder: Path, host_key: HostKey, image_name: str, name: str, commit: str) -> str:
    expect = _private_file(folder / "expect.json", json.dumps({"version": name, "commit": commit, "image": image_name}))
    tests = settings.project.root / "tests" / "droplet"
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
