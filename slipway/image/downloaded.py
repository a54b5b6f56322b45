"""A program, or an archive of files, from where its makers publish it: by address and SHA-256."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from slipway.errors import PipelineError
from slipway.image.artifact import Kitchen, cached, refuse_another_sum
from slipway.project import Project

_READ_S = 60.0
_LOOK = "Is [app] url in slipway.toml right, and is that version published?"
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip")


@dataclass(frozen=True)
class Download:
    """What is at an address; ``sums`` are SHA-256 by version."""

    url: str
    sums: Mapping[str, str]

    @classmethod
    def of(cls, project: Project) -> Download:
        """The one that `slipway.toml` names."""
        return cls(project.app.url, project.app.sums)

    @property
    def paths(self) -> Sequence[str]:
        """Nothing of the project."""
        return ()

    def make(self, kitchen: Kitchen, version: str, commit: str) -> Path:
        """The program, or what was in the archive; what has another sum than `slipway.toml` says is refused."""
        url = self.url.replace("{version}", version)
        wanted = self.sums.get(version, "")
        with cached(kitchen.cache, hashlib.sha256(f"{url} {wanted}".encode()).hexdigest()[:16]) as (made, draft):
            if draft is not None:
                fetched = draft.with_suffix(".fetched")
                try:
                    kitchen.say(f"fetching {url}")
                    _fetch(url, fetched)
                    refuse_another_sum(url, version, self.sums, _sum(fetched))
                    _unpack(url, fetched, draft)
                finally:
                    fetched.unlink(missing_ok=True)
        return made


def _fetch(url: str, target: Path) -> None:
    try:
        with requests.get(url, stream=True, timeout=_READ_S) as answer, target.open("wb") as file:
            answer.raise_for_status()
            for part in answer.iter_content(1 << 20):
                file.write(part)
    except requests.HTTPError as error:
        raise PipelineError(f"{url} answers {error.response.status_code}.", _LOOK) from error
    except requests.RequestException as error:
        raise PipelineError(f"{url} cannot be fetched: {error}.", _LOOK) from error


def _sum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _unpack(url: str, fetched: Path, target: Path) -> None:
    """A file as it is, or the files of an archive; a folder that has all of them is left out, as in most of them."""
    if not url.partition("?")[0].endswith(_ARCHIVES):
        shutil.copyfile(fetched, target)
        target.chmod(0o755)
        return
    try:
        if url.partition("?")[0].endswith(".zip"):
            with zipfile.ZipFile(fetched) as archive:
                for entry in archive.infolist():
                    path = Path(archive.extract(entry, target))
                    if path.is_file():
                        path.chmod((entry.external_attr >> 16) & 0o777 or 0o644)
        else:
            with tarfile.open(fetched) as archive:
                archive.extractall(target, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
        raise PipelineError(f"{url} is no archive that can be unpacked: {error}.") from error
    inside = list(target.iterdir())
    if len(inside) == 1 and inside[0].is_dir():
        moved = target.with_suffix(".inside")
        inside[0].rename(moved)
        target.rmdir()
        moved.rename(target)
