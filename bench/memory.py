"""The memory that idle droplets and the server really take: each page counted once, shared ones in parts (PSS)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.cloud import call, finish
from localocean import client
from localocean.config import Config
from localocean.host import cgroups
from localocean.host.errors import HostError
from localocean.terminal import size
from slipway.progress import Progress
from slipway.project import Project
from slipway.tools.localocean import LocalCloud
from slipway.tools.programs.process import environment
from tests.support import own_cloud

DROPLETS = 5
IDLE_SECONDS = 15


@dataclass(frozen=True)
class Memory:
    """Bytes: of each droplet, of the server without droplets, and with them."""

    droplets: list[int]
    empty: int
    full: int

    def as_json(self) -> dict[str, object]:
        return {"title": "memory", **vars(self)}

    def render(self) -> str:
        return "\n".join(
            [
                f"Resident memory (PSS), {IDLE_SECONDS} s after {len(self.droplets)} droplets were created",
                "",
                f"an idle droplet    {size(int(median(self.droplets))):>10}",
                f"server, empty      {size(self.empty):>10}",
                f"server, with them  {size(self.full):>10}",
            ]
        )


def compare(root: Path, rounds: int, say: Callable[[str], None]) -> Memory:
    """Nothing of the kind stands beside it: what a droplet takes is what Debian takes."""
    project = Project.load(root)
    with own_cloud("bench") as settings, environment(settings):
        cloud = LocalCloud(root, Progress()).up()
        config = Config.from_environment(os.environ)
        health = client.health(config)
        if health is None:
            raise HostError("The server of the benchmark is gone.")
        empty = resident([health.pid])
        place = {"region": project.droplet.region, "size": project.droplet.size, "image": project.image.base}
        order = {"names": [f"bench-{number}" for number in range(DROPLETS)], **place}
        begun = call(cloud, "POST", "droplets", order)
        for action in begun["links"]["actions"]:
            finish(cloud, action["id"])
        say(f"{IDLE_SECONDS} s of idleness")
        time.sleep(IDLE_SECONDS)
        names = [f"{config.unit_prefix}{droplet['id']}" for droplet in begun["droplets"]]
        return Memory([resident(cgroups.processes(name)) for name in names], empty, resident([health.pid]))


def resident(processes: Iterable[int]) -> int:
    """Proportional set size in bytes; a process that has just ended has none."""
    return sum(_pss(process) for process in processes)


def _pss(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
