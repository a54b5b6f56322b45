"""What is in an image: the manifest that the bake wrote into it, kept here or fetched from a droplet of that image."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from slipway.data import Count, Malformed, OpenTable, read_json
from slipway.environment import reference
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.tools import ssh

INSIDE = "/usr/share/slipway/manifest.json.gz"
FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """One path of an image; ``content`` is the SHA-256 of a file or the target of a link, ``size`` is in bytes."""

    mode: str
    owner: str
    size: int
    content: str


@dataclass(frozen=True)
class Manifest:
    """The contents of one image; ``migrations`` and ``settings`` are None of an app that does not tell them.

    ``secret`` are those of the settings whose values do not belong into git.
    """

    image: str
    files: Mapping[str, Entry]
    packages: Mapping[str, str]
    units: Mapping[str, str]
    migrations: Sequence[Mapping[str, Any]] | None
    settings: Sequence[str] | None
    secret: Sequence[str] = ()

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Raises ValueError for anything that is no manifest of this format."""
        found = read_json(_unpacked(data), _Written)
        settings = found.settings.settings if found.settings else []
        return cls(
            image=found.image,
            files={path: Entry(*entry) for path, entry in found.files.items()},
            packages=found.packages,
            units=found.units,
            migrations=[vars(each) for each in found.schema_.migrations] if found.schema_ else None,
            settings=sorted(each.name for each in settings) if found.settings else None,
            secret=sorted(each.name for each in settings if each.secret),
        )


@dataclass(frozen=True, kw_only=True)
class _Migration(OpenTable):
    version: Count
    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class _Schema(OpenTable):
    migrations: list[_Migration]


@dataclass(frozen=True, kw_only=True)
class _Setting(OpenTable):
    name: str
    secret: bool = False


@dataclass(frozen=True, kw_only=True)
class _Settings(OpenTable):
    settings: list[_Setting]


@dataclass(frozen=True, kw_only=True)
class _Written(OpenTable):
    """What the bake wrote."""

    format: Literal[1]
    image: str
    files: dict[str, tuple[str, str, Count, str]]
    packages: dict[str, str]
    units: dict[str, str]
    schema_: Annotated[_Schema | None, Field(alias="schema")]
    settings: _Settings | None


_LARGEST = 256 << 20
"""Bytes of a manifest: a droplet wrote it."""


def _unpacked(data: bytes) -> bytes:
    try:
        unpacking = zlib.decompressobj(wbits=31)
        found = unpacking.decompress(data, _LARGEST)
    except zlib.error as error:
        raise Malformed([("", f"is not a manifest: {error}")]) from error
    if not unpacking.eof:
        raise Malformed([("", "is not a whole manifest")])
    return found


def kept(work: Path, image: str) -> Path:
    """Where this checkout keeps an image's manifest."""
    return work / "images" / f"{image}.json.gz"


def keep(work: Path, image: str, fetched: Path) -> None:
    """Take in the manifest that a bake has fetched."""
    target = kept(work, image)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(fetched, target.with_suffix(".new"))
    target.with_suffix(".new").replace(target)


def of(session: Session, image: str) -> Manifest:
    """The manifest of an image; raises PipelineError when it is neither here nor on a droplet that runs."""
    path = kept(session.settings.project.work, image)
    if not path.exists():
        fetched = _from_droplet(session, image)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(fetched)
    try:
        return Manifest.parse(path.read_bytes())
    except ValueError as error:
        raise PipelineError(f"The manifest of {image} cannot be read: {error}.", f"rm {path}") from error


def _from_droplet(session: Session, image: str) -> bytes:
    current = reference.read(session.settings.reference_path)
    groups = session.outputs().groups
    key = next((key for key, release in current.releases.items() if release.image == image and key in groups), None)
    if key is None:
        raise PipelineError(
            f"The manifest of {image} is not here, and no droplet of that image runs.",
            f"It is kept where the image was baked: {kept(session.settings.project.work, image)}",
        )
    session.progress.detail(f"fetching the manifest of {image} from the droplet of {key}")
    host_key = session.key.host_key(key).public
    with ssh.connect(groups[key].first.address, session.key.identity, host_key) as client:
        try:
            return ssh.read(client, INSIDE)
        except OSError as error:
            raise PipelineError(f"{image} has no manifest: it was baked before there were any.") from error
