"""What the host must have before a droplet can run on it."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from localocean.config import Config
from localocean.host.errors import HostError

PACKAGES = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "ip": "iproute2",
    "conntrack": "conntrack",
    "flock": "util-linux",
    "mkfs.ext4": "e2fsprogs",
    "losetup": "mount",
    "openssl": "openssl",
    "find": "findutils",
    "ssh": "openssh-client",
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SPACE = 2 << 30


def missing() -> list[str]:
    """The apt packages that are lacking, in the order in which to install them."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    lacking = [package for tool, package in PACKAGES.items() if not shutil.which(tool, path=path)]
    return lacking if KEYRING.exists() else [*lacking, "debian-archive-keyring"]


def check(config: Config) -> None:
    """Raise ``HostError`` for the first thing that keeps droplets from running here: root, tools, kernel, disk."""
    if os.geteuid() != 0:
        raise HostError("The local cloud needs root.", "Run it with sudo.")
    if packages := missing():
        raise HostError(
            f"This machine lacks {', '.join(packages)}.", f"Run: apt-get install --yes {' '.join(packages)}"
        )
    if "overlay" not in Path("/proc/filesystems").read_text() and not _module("overlay"):
        raise HostError("This kernel has no overlayfs.", "Use a kernel with CONFIG_OVERLAY_FS.")
    for folder in (config.state, config.cache):
        check_folder(folder)
        _check_owners(folder)


def check_folder(folder: Path) -> None:
    """Raise HostError unless a directory is or can be there, with room, on a file system that droplets can live on."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not there.is_dir():
        raise HostError(f"{there} is no directory.", "Set LOCALOCEAN_STATE and LOCALOCEAN_CACHE to directories.")
    free = shutil.disk_usage(there).free
    if free < SPACE:
        raise HostError(
            f"Only {free >> 20} MB are free on the disk of {folder}.",
            f"The local cloud needs {SPACE >> 30} GB; make room there or choose another place.",
        )
    if _filesystem(there) in ("overlay", "tmpfs", "nfs", "nfs4", "9p", "fuse"):
        raise HostError(
            f"{folder} is on a file system that cannot hold droplets ({_filesystem(there)}).",
            "Set LOCALOCEAN_STATE and LOCALOCEAN_CACHE to directories on a local disk, in a container to a volume.",
        )


def _check_owners(folder: Path) -> None:
    """What root writes there would be in the hands of whoever can put something else in its place."""
    trusted, found = {0, int(os.environ.get("SUDO_UID", 0))}, Path(os.path.realpath(folder))
    for place in (found, *found.parents):
        status = place.stat() if place.exists() else None
        open_to_all = status and status.st_mode & stat.S_IWOTH and (place == found or not status.st_mode & stat.S_ISVTX)
        if status and (open_to_all or status.st_uid not in trusted):
            raise HostError(
                f"Other users can change what is in {place}, so the local cloud cannot be in {folder}.",
                f"Choose another place, or run: chown root {place} && chmod o-w {place}",
            )


def _filesystem(folder: Path) -> str:
    """The type of the file system that ``folder`` is on."""
    best = (0, "")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = Path(line.split()[4])
        if point == folder or point in folder.parents:
            best = max(best, (len(point.parts), line.partition(" - ")[2].split()[0]), key=lambda found: found[0])
    return best[1]


def _module(name: str) -> bool:
    return any(Path("/lib/modules", os.uname().release).glob(f"**/{name}.ko*"))
