"""version -> image: baked once, tested while it is being baked, never edited."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from slipway.environment import boot
from slipway.environment.keys import KeyPair, new_key
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.image import artifact, bake_run, image, manifest, unit, version
from slipway.image.artifact import Artifact, Kitchen
from slipway.image.bake_run import BakeRun
from slipway.image.downloaded import Download
from slipway.image.go_program import Module, Source
from slipway.image.made import Made
from slipway.progress import Progress
from slipway.project import Project
from slipway.redaction import hide
from slipway.tools import files
from slipway.tools.digitalocean import Image
from slipway.tools.files import write_private
from slipway.tools.packer import Packer
from slipway.tools.programs.children import ended_by_signals
from slipway.tools.pytest import PYTEST
from slipway.tools.toolchain import RELEASE_TOOLS

IMAGE_TESTS = ("test_image.py", "test_clean.py")
_FATAL = {"create": "make the build droplet", "snapshot": "take the snapshot"}
"""Actions without which there is no image; others Packer tries again."""
_PATIENCE = 30
"""Seconds for which the removal of what a failed bake left is tried again."""


@dataclass(frozen=True)
class Recipe:
    """Everything that makes one image, worked out before anything is started."""

    version: str
    commit: str
    artifact: Path
    inputs: image.Inputs

    @property
    def image(self) -> str:
        """The image's name."""
        return self.inputs.name(self.version)


def build(session: Session, asked: str | None, *, dirty: bool) -> Image:
    """The image of a version, baked now unless the same inputs were baked before.

    Raises PipelineError for uncommitted changes, for a version that was baked from other inputs or in another spelling,
    and for a bake that fails, its tests included.
    """
    source = _artifact(session.settings.project)
    paths = [*source.paths, *session.settings.project.app.scripts]
    name, commit = version.resolve(session.git, asked, paths, dirty=dirty)
    names = session.settings.names
    known = (image.version_of(names, each) for each in session.api.images())
    version.refuse_other_spelling(name, filter(None, known))
    made = _made(session, source, name, commit)
    recipe = Recipe(name, commit, made, image.Inputs.read(session.settings.project, session.git, made))
    found = image.baked_before(session.api.images(), recipe.inputs, name, commit, shallow=session.git.shallow)
    if found is None:
        with session.progress.step(f"bake {recipe.image}"):
            _bake(session, recipe)
        return image.find(session.settings.names, session.api.images(), name)
    session.progress.say(f"  ✓ {found.name} was baked before")
    return found


def _artifact(project: Project) -> Artifact:
    """Where the app comes from, as slipway.toml says."""
    app = project.app
    if app.module:
        return Module.of(project)
    if app.url:
        return Download.of(project)
    return Made.of(project) if app.build else Source.of(project)


def _made(session: Session, source: Artifact, name: str, commit: str) -> Path:
    def go() -> Path:
        session.progress.detail(f"compiling the app, {name}")
        return session.toolchain.go()

    cache, env = session.settings.project.work / "build", session.toolchain.environment("go")
    made = source.make(Kitchen(session.git, cache, go, env, session.progress.detail), name, commit)
    if made.is_file():
        artifact.refuse_foreign(made, "[app] in slipway.toml")
    return made


def _bake(session: Session, recipe: Recipe) -> None:
    settings, toolchain, progress = session.settings, session.toolchain, session.progress
    toolchain.ensure(RELEASE_TOOLS, progress.detail)  # those of the deploy as well: they are fetched side by side
    log_path = settings.work / "logs" / f"bake-{recipe.image}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    _, ended = bake_run.known(settings.project.work, settings.cloud.endpoint)
    for run in ended:
        progress.detail(f"removing what the bake of {run.image} left that was killed")
        _sweep(session, run)
    with ended_by_signals(), log_path.open("w") as log, _run(session, recipe.image) as run:
        folder = bake_run.folder(settings.project.work, run)
        packer = Packer(
            toolchain.packer(), {**toolchain.environment("packer"), **settings.cloud.environment}, folder=folder
        )
        key = new_key()
        identity = write_private(folder / "id_ed25519", key.private)
        variables = packer_variables(session, recipe, folder, run, identity)
        # A key of Packer's own would be nobody's when Packer is killed.
        variables |= {"ssh_key_id": str(session.api.add_key(run.tag, key.public))}
        template = artifact.export_own(session.git, folder, "packer")
        show = _watch(lambda text: log.write(hide(text)), progress)
        try:
            packer.build(template, variables, show, _trouble(session, run))
        except PipelineError as error:
            log.flush()
            words = _last_words(log_path)
            raise PipelineError(_reason(words) or error.message, f"{words}\nAll of its output: {log_path}") from error
        manifest.keep(settings.project.work, recipe.image, Path(variables["contents"]))


@contextmanager
def _run(session: Session, name: str) -> Iterator[BakeRun]:
    """A run of which nothing is left afterwards, whatever Packer removed itself."""
    patience: float = _PATIENCE
    settings = session.settings
    with bake_run.begin(settings.project.work, settings.project.name, name, settings.cloud.endpoint) as run:
        try:
            yield run
            patience = 0  # Packer says that all is removed, and its droplet may still be on its way
        finally:
            _sweep(session, run, patience)


def _sweep(session: Session, run: BakeRun, patience: float = 0) -> None:
    try:
        left = bake_run.sweep(session.api, run, patience=patience)
    except PipelineError as error:
        left = [error.message]
    if not left:
        bake_run.forget(session.settings.project.work, run)
    elif patience:
        session.progress.warn(f"something of this bake is left; the next one removes it: {'; '.join(left)}")


def _trouble(session: Session, run: BakeRun) -> Callable[[], str | None]:
    """A question for why a bake cannot succeed any more.

    Packer itself waits an hour for a snapshot that errored, and six minutes for a droplet that did.
    """
    limit = session.settings.project.image.deadline
    deadline = time.monotonic() + limit

    def ask() -> str | None:
        if time.monotonic() > deadline:
            return f"The bake was not done after {limit:.0f} s, so there is no image."
        try:
            for droplet in session.api.droplets(run.tag):
                for number, kind in session.api.failed_actions(droplet.id):
                    if kind in _FATAL:
                        return f"The cloud could not {_FATAL[kind]} (action {number} errored), so there is no image."
        except PipelineError:
            return None  # Packer meets the same, and has more patience
        return None

    return ask


def packer_variables(
    session: Session, recipe: Recipe, folder: Path, run: BakeRun, identity: Path | None = None
) -> dict[str, str]:
    """The variables of the template for a run; the files that they name, which are secret, are made in ``folder``.

    ``identity`` is the private key of `ssh_key_id`, if Packer shall not make a temporary one.
    """
    project = session.settings.project
    host_key = session.key.host_key(f"bake {recipe.image}")
    expected = {
        **{"version": recipe.version, "commit": recipe.commit, "image": recipe.image},
        "contract": asdict(project.contract),
        "app": {name: getattr(project.app, name) for name in ("starts_bare", "unit", "writable", "loosen")},
    }
    expect = write_private(folder / "expect.json", json.dumps(expected))
    return {
        "image_name": recipe.image,
        "version": recipe.version,
        "commit": recipe.commit,
        "digest": recipe.inputs.digest,
        "tags": json.dumps(recipe.inputs.tags(recipe.version, recipe.commit)),
        "base_image": recipe.inputs.base,
        "region": project.droplet.region,
        "size": project.droplet.size,
        "provisioning_dir": str(_provisioning(session, recipe, folder)),
        "user_data_file": str(write_private(folder / "user-data", _user_data(host_key))),
        "test_command": _test_command(files.home(project.root, "tests/droplet"), host_key, expect, identity),
        "manifest": str(session.settings.work / "manifest.json"),
        "contents": str(folder / "contents.json.gz"),
        "droplet_name": run.droplet,
        "droplet_tags": json.dumps(run.tags),
        **({"ssh_private_key_file": str(identity)} if identity else {}),
    }


def _provisioning(session: Session, recipe: Recipe, folder: Path) -> Path:
    """What is installed, and what it is told of this image, in ``folder``."""
    project = session.settings.project
    provisioning = artifact.export_own(session.git, folder, "provisioning")
    known = {"port": project.app.port, "version": recipe.version, "commit": recipe.commit}
    variables = {name: value.format_map(known) for name, value in project.app.fixed.items()}
    (provisioning / "image.env").write_bytes(boot.environment_file({**variables, "APP_IMAGE": recipe.image}))
    artifact.pack(recipe.artifact, provisioning / "artifact.tar")
    (provisioning / "project.conf").write_text(unit.drop_in(project.app))
    (provisioning / "project.sh").write_text(unit.needs(project.app))
    for number, script in enumerate(project.app.scripts):
        shutil.copyfile(project.root / script, provisioning / f"script-{number:02}")
    if project.front.enabled:
        told = {"FRONT_APP_PORT": str(project.app.port), "FRONT_HEALTH": project.app.health}
        (provisioning / "front.env").write_bytes(boot.environment_file(told))
    return provisioning


def _user_data(host_key: KeyPair) -> str:
    """Cloud-config that gives the build droplet a host key which its tests know beforehand."""
    return "#cloud-config\n" + json.dumps(
        {
            "ssh_deletekeys": True,
            "ssh_genkeytypes": [],
            "ssh_keys": {"ed25519_private": host_key.private, "ed25519_public": host_key.public},
        }
    )


def _test_command(home: Path, host_key: KeyPair, expect: Path, identity: Path | None) -> str:
    """For a shell: the tests are imported from the folder ``home``, in which tests/droplet is."""
    tests = home / "tests" / "droplet"
    words = [
        *(*PYTEST, "-q", f"--confcutdir={tests}"),
        *(str(tests / test) for test in IMAGE_TESTS),
        f"--host-key={host_key.public}",
        f"--expect={expect}",
        f"--end-with={os.getpid()}",
        *([f"--identity={identity}"] if identity else []),
    ]
    return f"cd {shlex.quote(str(home))} && {shlex.join(words)}"


def _watch(keep: Callable[[str], object], progress: Progress) -> Callable[[str], None]:
    """Keep every line of Packer's, and show those with which it begins something."""

    def on_line(line: str) -> None:
        keep(line + "\n")
        _, arrow, said = line.partition("==> ")
        if arrow and ": " in said:
            progress.detail(said.partition(": ")[2])

    return on_line


def _reason(words: str) -> str:
    """What the bake's script says is wrong, as a sentence; empty where it says nothing."""
    found = re.findall(r"✗ (.+)", words)
    return f"{found[-1][0].upper()}{found[-1][1:].rstrip('.')}." if found else ""


def _last_words(log: Path, count: int = 25) -> str:
    return "\n".join(log.read_text().splitlines()[-count:])
