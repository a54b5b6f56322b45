"""A snapshot of a droplet that is off, beside `cp -a` of the files that it changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.cloud import call, finish
from bench.figures import Comparison, Run, Side, in_turn
from localocean.config import Config
from localocean.host.run import run
from localocean.storage.disks import Disks
from slipway.config import Cloud
from slipway.progress import Progress
from slipway.project import Project
from slipway.tools.localocean import LocalCloud
from slipway.tools.programs.process import environment
from tests.support import own_cloud

SIZES = (10, 100, 1000)
"""Megabytes."""

FILE = 1_000_000
TARGET = 1.5
SECONDS = 300


@dataclass(frozen=True)
class Snapshots:
    """One comparison for each size."""

    found: Sequence[Comparison]

    def as_json(self) -> dict[str, object]:
        return {"title": "snapshots", "sizes": [each.as_json() for each in self.found]}

    def render(self) -> str:
        return "\n\n".join(each.render() for each in self.found)


def compare(root: Path, rounds: int, say: Callable[[str], None]) -> Snapshots:
    """Both copy within one file system, what the system has in its cache; files of a megabyte of random bytes."""
    project = Project.load(root)
    with own_cloud("bench") as settings, environment(settings):
        cloud = LocalCloud(root, Progress()).up()
        config = Config.from_environment(os.environ)
        place = {"region": project.droplet.region, "size": project.droplet.size, "image": project.image.base}
        begun = call(cloud, "POST", "droplets", {"name": "bench", **place})
        droplet = int(begun["droplet"]["id"])
        finish(cloud, begun["links"]["actions"][0]["id"])
        _act(cloud, droplet, "power_off")
        found = []
        for megabytes in SIZES:
            say(f"{megabytes} MB changed")
            with Disks(config).opened(droplet) as data:
                upper = data / "upper"
                _write(upper / "srv", megabytes)
                ours, yardstick = in_turn(
                    rounds, partial(_snapshot, cloud, droplet), partial(_copy, upper, config.state / "copy"), say
                )
            sides = Side("snapshot action", ours), Side("cp -a", yardstick)
            found.append(Comparison(f"A snapshot of {megabytes} MB that a droplet changed", *sides, TARGET))
    return Snapshots(found)


def _write(folder: Path, megabytes: int) -> None:
    """As many files as are missing; directly, because the droplet is off."""
    folder.mkdir(exist_ok=True)
    for number in range(megabytes):
        file = folder / f"file-{number}"
        if not file.exists():
            file.write_bytes(os.urandom(FILE))
    os.sync()


def _snapshot(cloud: Cloud, droplet: int) -> Run:
    began = time.monotonic()
    _act(cloud, droplet, "snapshot")
    taken = Run(time.monotonic() - began)
    for image in call(cloud, "GET", f"droplets/{droplet}/snapshots")["snapshots"]:
        call(cloud, "DELETE", f"images/{image['id']}")
    os.sync()
    return taken


def _copy(upper: Path, copy: Path) -> Run:
    began = time.monotonic()
    run(["cp", "-a", "--reflink=auto", str(upper), str(copy)], timeout=SECONDS)
    taken = Run(time.monotonic() - began)
    run(["rm", "-rf", str(copy)], timeout=SECONDS)
    os.sync()
    return taken


def _act(cloud: Cloud, droplet: int, type: str) -> None:
    finish(cloud, call(cloud, "POST", f"droplets/{droplet}/actions", {"type": type})["action"]["id"])
