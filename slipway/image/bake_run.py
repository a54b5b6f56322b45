"""One bake as it can be found again: its id is on all that it makes, and a file tells whether it still goes on.

Packer may be killed, and so may the pipeline. What is left then is found by the tag of the build droplet and by the
name of the key; the file's lock, which the kernel takes from whoever dies, says that nobody works with it any more.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from slipway.data import Matching, Table, read_json
from slipway.errors import PipelineError
from slipway.image import image
from slipway.names import ProjectNames
from slipway.retries import polled
from slipway.tools.digitalocean import API


@dataclass(frozen=True)
class BakeRun(Table):
    """A bake of a project's image on the cloud at ``endpoint``. Its id begins with the time at which it began."""

    id: Annotated[str, Matching("[A-Za-z0-9-]+", "letters, digits and dashes")]
    project: str
    image: str
    endpoint: str

    @property
    def tag(self) -> str:
        """The tag of its droplet, which is the name of its key too."""
        return ProjectNames(self.project).run(self.id)

    @property
    def tags(self) -> list[str]:
        """All tags of its droplet."""
        return ProjectNames(self.project).build_tags(self.id)

    @property
    def droplet(self) -> str:
        """The name of its droplet."""
        return ProjectNames(self.project).build_droplet(self.image)


def began(id: str) -> datetime | None:
    """When a run began; None for an id that does not tell."""
    try:
        return datetime.strptime(id.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


@contextmanager
def begin(work: Path, project: str, image: str, endpoint: str) -> Iterator[BakeRun]:
    """A new run, under way until the context ends. Its file stays until `forget`; its folder stays if it is killed."""
    run = BakeRun(f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}", project, image, endpoint)
    path = _path(work, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".new").open("w") as file:
        # Locked before it can be seen, or it might be taken for a dead one's.
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(asdict(run)))
        file.flush()
        path.with_suffix(".new").rename(path)
        own = folder(work, run)
        own.mkdir(mode=0o700)
        try:
            yield run
        finally:
            shutil.rmtree(own, ignore_errors=True)


def folder(work: Path, run: BakeRun) -> Path:
    """Where a run has what it needs for itself, keys and the cloud's token among it; its owner alone may look."""
    return _path(work, run).with_suffix("")


def forget(work: Path, run: BakeRun) -> None:
    """Nothing is left of a run in the cloud, and nothing of it stays here."""
    shutil.rmtree(folder(work, run), ignore_errors=True)
    _path(work, run).unlink(missing_ok=True)


def known(work: Path, endpoint: str) -> tuple[list[BakeRun], list[BakeRun]]:
    """The runs of this checkout on a cloud that go on, and those that ended without being forgotten."""
    alive, ended = [], []
    for path in sorted((work / "bakes").glob("*.json")):
        try:
            with path.open() as file:
                run = read_json(file.read(), BakeRun)
                if run.endpoint != endpoint:
                    continue
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    ended.append(run)
                except BlockingIOError:
                    alive.append(run)
        except FileNotFoundError:
            continue  # forgotten just now
        except ValueError as error:
            raise PipelineError(
                f"{path} is corrupt: {error}.", f"rm {path}; ./invoke reap finds what is left of it."
            ) from error
    return alive, ended


def sweep(api: API, run: BakeRun, *, patience: float = 0) -> list[str]:
    """Remove what a run left: its droplet, its key, its tag, and an image that it did not finish.

    Returns what is still there, with the reason. For ``patience`` seconds what is refused is tried again.
    """
    left: list[str] = []

    def is_swept() -> bool:
        left.clear()
        things = [(f"droplet {each.name}", f"droplets/{each.id}") for each in api.droplets(run.tag)]
        things += [(f"key {name}", f"account/keys/{id}") for id, name in api.keys() if name == run.tag]
        things += [
            (f"image {each.name}", f"images/{each.id}")
            for each in api.images()
            if each.name == run.image and not image.finished(each)
        ]
        for name, path in things:
            try:
                api.remove(path)
            except PipelineError as error:
                left.append(f"{name}: {error.message}")
        if not left:
            api.remove(f"tags/{run.tag}")  # last: by it the rest is found again
        return not left

    polled(is_swept, patience, 6)  # the account's keys are told ten times a minute
    return left


def _path(work: Path, run: BakeRun) -> Path:
    return work / "bakes" / f"{run.id}.json"
