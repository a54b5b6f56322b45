"""Releases one after the other: what each takes, and what is left of them that the first did not leave."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from bench.release import timed
from tests.e2e.checkout import Checkout, clone
from tests.support import own_cloud

SHOWN = (1, 3)
"""The releases after which the table has a line, beside the last one; the median since the line before."""


@dataclass(frozen=True)
class Left:
    """What there is after a number of releases; disk in MB, the cloud's and that of `.slipway`."""

    releases: int
    droplets: int
    images: int
    keys: int
    clusters: int
    processes: int
    cloud_mb: float
    work_mb: float


@dataclass
class Sequence:
    """Seconds of each release, what was left after some of them, and what is left once old images were pruned."""

    seconds: list[float] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    pruned: Left | None = None

    def as_json(self) -> dict[str, object]:
        """Everything that was measured."""
        return asdict(self)

    def render(self) -> str:
        """A table for people."""
        names = ("droplets", "images", "keys", "clusters", "processes", "cloud", ".slipway")
        rows: list[tuple[str, ...]] = [("releases", "each takes", *names)]
        before = 0
        for left in self.left:
            rows.append(_row(str(left.releases), f"{median(self.seconds[before : left.releases]):.1f} s", left))
            before = left.releases
        if self.pruned:
            rows.append(_row("pruned", "", self.pruned))
        table = "\n".join("".join(f"{cell:>11}" for cell in row) for row in rows)
        return f"Releases in sequence\n\n{table}\n\nin total {sum(self.seconds):.0f} s"


def _row(name: str, seconds: str, left: Left) -> tuple[str, ...]:
    counts = (left.droplets, left.images, left.keys, left.clusters, left.processes)
    return name, seconds, *map(str, counts), f"{left.cloud_mb:.0f} MB", f"{left.work_mb:.1f} MB"


def measure(root: Path, rounds: int, say: Callable[[str], None]) -> Sequence:
    """Make so many releases of new versions, in a clone and on a cloud of its own; the first two do not count."""
    found = Sequence()
    with tempfile.TemporaryDirectory(prefix="bench-sequence-") as folder, own_cloud("bench") as settings:
        checkout = Checkout(Path(folder) / "project", settings)
        clone(checkout.folder)
        for version in ("w1", "w2"):  # from the third on each retires one
            say(f"release {version}, not counted")
            timed(checkout, "build", "deploy", "--version", version)
        for number in range(1, rounds + 1):
            found.seconds.append(timed(checkout, "build", "deploy", "--version", f"v{number}").seconds)
            say(f"  release {number} of {rounds}: {found.seconds[-1]:.1f} s")
            if number in SHOWN or number == rounds:
                found.left.append(_left(checkout, number))
        checkout.invoke("prune", "--keep", "2", "--apply")
        found.pruned = _left(checkout, rounds)
    return found


def _left(checkout: Checkout, releases: int) -> Left:
    api = checkout.api()
    return Left(
        releases=releases,
        droplets=len(api.get("/v2/droplets?per_page=200")["droplets"]),
        images=len(api.get("/v2/images?private=true&per_page=200")["images"]),
        keys=len(api.get("/v2/account/keys?per_page=200")["ssh_keys"]),
        clusters=len(api.get("/v2/databases")["databases"]),
        processes=sum(1 for _ in _processes(Path(checkout.cloud["LOCALOCEAN_STATE"]), checkout.folder)),
        cloud_mb=_megabytes(Path(checkout.cloud["LOCALOCEAN_STATE"])),
        work_mb=_megabytes(checkout.folder / ".slipway"),
    )


def _processes(*places: Path) -> Iterator[str]:
    """The processes of this machine that name one of the places in their command line or work in it."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            said = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            where = str((process / "cwd").readlink())
        except OSError:
            continue  # it has ended
        if any(str(place) in said or where.startswith(str(place)) for place in places):
            yield said


def _megabytes(folder: Path) -> float:
    """What a folder takes on the disk, the mounts in it apart."""
    said = subprocess.run(["du", "-sxk", str(folder)], capture_output=True, text=True, check=False).stdout
    return int(said.split()[0]) / 1024
