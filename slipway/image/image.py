"""Images named by their contents: what a version was baked from, and whether it was baked before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from slipway.environment.reference import CLOUD_INIT
from slipway.errors import PipelineError
from slipway.image.artifact import digest_files, digest_of
from slipway.names import DIGEST_LENGTH, ProjectNames
from slipway.project import Project
from slipway.tools import files
from slipway.tools.digitalocean import Image
from slipway.tools.git.git import Git

_TOLD = ("fixed", "command", "unit", "starts_bare", "packages", "writable", "loosen")
"""What slipway.toml says of the app that goes into an image, beside its contract."""


@dataclass(frozen=True)
class Inputs:
    """Digests (SHA-256, shortened) of all that makes an image, and the names of its base and of its project.

    ``contract`` is spelt as `Contract.label` does.
    """

    project: str
    binary: str
    provisioning: str
    template: str
    base: str
    contract: str
    settings: str

    @classmethod
    def read(cls, project: Project, git: Git, artifact: Path) -> Inputs:
        """Digest what is in the checkout now."""
        provisioning = [(file, place) for file, place in _files(git, "provisioning") if file.name != CLOUD_INIT]
        scripts = [project.root / script for script in project.app.scripts]
        _refuse_missing(scripts, project.root)
        told = {name: getattr(project.app, name) for name in _TOLD}
        return cls(
            project=project.name,
            binary=digest_of(artifact)[:DIGEST_LENGTH],
            provisioning=digest_files([*provisioning, *((script, project.root) for script in scripts)])[:DIGEST_LENGTH],
            template=digest_files(_files(git, "packer"))[:DIGEST_LENGTH],
            base=project.image.base,
            contract=project.contract.label,
            settings=hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:DIGEST_LENGTH],
        )

    @property
    def digest(self) -> str:
        """The digest of them all."""
        return hashlib.sha256("\0".join(asdict(self).values()).encode()).hexdigest()[:DIGEST_LENGTH]

    @property
    def labels(self) -> dict[str, str]:
        """What an image's tags say of it; its project is told by a tag of its own."""
        return {name: value for name, value in asdict(self).items() if name != "project"}

    def name(self, version: str) -> str:
        """The image's name."""
        return ProjectNames(self.project).image(version, self.digest)

    def tags(self, version: str, commit: str) -> list[str]:
        """The image's tags. Tags know no dots (`[a-zA-Z0-9_:-]`), so a version's become underscores."""
        facts = {
            "version": version.replace(".", "_"),
            "commit": commit,
            "digest": self.digest,
            **self.labels,
        }
        return [*ProjectNames(self.project).shared_tags, *(f"{name}:{value}" for name, value in facts.items())]

    def differences(self, image: Image) -> list[str]:
        """The names of the inputs that an image was made from otherwise."""
        return [name for name, value in self.labels.items() if image.label(name) != value]


_LABELS = [field.name for field in fields(Inputs) if field.name != "project"]


def _files(git: Git, name: str) -> list[tuple[Path, Path]]:
    """The files of a folder of the project's or of slipway's, each with the folder from which its name counts."""
    place, listed = files.home(git.root, name), files.brought(git.root, name)
    return [(file, place) for file in (git.files(name) if listed is None else listed)]


def _refuse_missing(scripts: Iterable[Path], root: Path) -> None:
    for script in scripts:
        if not script.is_file():
            raise PipelineError(
                f"app.scripts has {script.relative_to(root)}, and there is no such file.",
                "Correct slipway.toml, [app] scripts.",
            )


def finished(image: Image) -> bool:
    """Whether an image has all its labels: Packer gives it those when it has taken the snapshot."""
    return all(image.label(name) for name in ("version", "commit", "digest", *_LABELS))


def version_of(names: ProjectNames, image: Image) -> str | None:
    """The version in an image's name; None for an image that is not the project's."""
    return names.version(image.name, image.tags)


def baked_before(
    images: Iterable[Image], inputs: Inputs, version: str, commit: str = "", *, shallow: bool = False
) -> Image | None:
    """The image of these inputs, if there is one; raises PipelineError when the version was baked from others.

    And when the image has not all its labels: a bake is about to end elsewhere, or was killed just before its end.
    ``commit`` is the one in the binary, and ``shallow`` says that git may not know the right one.
    """
    names = ProjectNames(inputs.project)
    same_version = [image for image in images if version_of(names, image) == version]
    same = only([image for image in same_version if image.name == inputs.name(version)])
    if same and not finished(same):
        raise PipelineError(
            f"{same.name} is not finished: it is being baked elsewhere, or its bake was killed.",
            "Try again in a minute; ./invoke reap --older-than 5m --apply removes what a dead bake left.",
        )
    if same is None and same_version and not version.endswith("-dirty"):
        other = same_version[0]
        raise PipelineError(
            f"Version {version} was baked from other inputs: {', '.join(inputs.differences(other)) or 'digest'} differ"
            f" from those of {other.name}.{_commits(commit, other)}",
            "This clone is shallow, so git does not know which commit last changed them: git fetch --unshallow --tags"
            if shallow
            else "A version is baked once: give the change a version of its own, --version …",
        )
    return same


def _commits(commit: str, other: Image) -> str:
    """That another commit is stamped into the binary, which alone makes it another one."""
    theirs = other.label("commit")
    same = not commit or commit == theirs
    return "" if same else f" The binary carries its commit: {commit[:12]} here, {theirs[:12]} there."


def find(names: ProjectNames, images: Iterable[Image], version: str) -> Image:
    """The project's image of a version, of a dirty one the newest; raises PipelineError unless there is just one."""
    same_version = [image for image in images if version_of(names, image) == version]
    same_version.sort(key=lambda image: image.created_at)
    if version.endswith("-dirty"):
        same_version = same_version[-1:]
    image = only(same_version)
    if image is None:
        raise PipelineError(f"There is no image of version {version}.", f"./invoke build --version {version}")
    return image


def only(images: list[Image]) -> Image | None:
    """The one image of a list, or None; raises PipelineError for two, since nothing says which is meant."""
    if len(images) > 1:
        listed = ", ".join(f"{image.name} (id {image.id})" for image in images)
        raise PipelineError(f"There are two images where one was expected: {listed}.", "Delete the wrong one.")
    return images[0] if images else None
