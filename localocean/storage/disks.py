"""The disks of droplets: an overlay of one writable directory on the layers of an image.

    <state>/disks/<droplet id>/root                 where the overlay is mounted
    <state>/disks/<droplet id>/{disk.img,fs}        the disk's own file system, with the directories upper and work
    <state>/layers/<layer id>/                      what a snapshot added to the layers below it

Where a machine can mount no file as a file system, and for the disks of earlier versions, upper and work are in the
disk's directory itself, and nothing limits them (see :mod:`localocean.storage.volumes`).

Every operation can be repeated after a crash. A layer is complete from the moment it has its name.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from localocean.config import Config
from localocean.host.errors import HostError
from localocean.host.inside import SHIFT
from localocean.host.run import run
from localocean.storage.volumes import Volumes

DRAFT = ".draft-"
TOO_LONG = os.strerror(errno.ENAMETOOLONG)
GIB = 1 << 30


class Disks:
    """The disks and layers of one cloud."""

    def __init__(self, config: Config) -> None:
        self._disks = config.state / "disks"
        self._layers = config.state / "layers"
        self.volumes = Volumes(self._disks)

    def root(self, droplet_id: int) -> Path:
        """Where the disk of a droplet is (to be) mounted."""
        return self._disks / str(droplet_id) / "root"

    def mount(self, droplet_id: int, layers: Sequence[Path], gigabytes: float) -> Path:
        """Mount the disk on ``layers`` (topmost first), making or enlarging it if need be, and return its root.

        Raises ``HostError`` when a layer is missing or the kernel refuses.
        """
        disk, root = self._disks / str(droplet_id), self.root(droplet_id)
        for layer in layers:
            if not layer.is_dir():
                raise HostError(f"The image layer {layer} is missing.", "Delete the image and make it again.")
        if not os.path.ismount(root):
            data = self._make(disk, round(gigabytes * GIB))
            run(mount_command(data, root, layers))
        return root

    def unmount(self, droplet_id: int) -> None:
        """Unmount the disk if it is mounted."""
        if os.path.ismount(self.root(droplet_id)):
            run(["umount", str(self.root(droplet_id))])
        self.volumes.close(self._disks / str(droplet_id))

    def guard(self) -> None:
        """Have droplets that write wait while this machine has too little room, and go on when it has."""
        self.volumes.guard()

    def limits(self) -> dict[str, object]:
        """Whether disks have a limit, why not, and which of them wait for room on this machine."""
        reason = self.volumes.reason
        waiting = [int(disk.name) for disk in self.volumes.frozen()]
        return {"disk": not reason, "reason": reason, "waiting": waiting}

    def release(self, droplet_id: int) -> None:
        """Let the droplet end, also one whose writing waits for room on this machine."""
        self.volumes.release(self._disks / str(droplet_id))

    def delete(self, droplet_id: int) -> None:
        """Unmount the disk and remove it with all that it holds."""
        self.unmount(droplet_id)
        run(["rm", "-rf", "--one-file-system", str(self._disks / str(droplet_id))], timeout=600)

    def snapshot(self, droplet_id: int, layer_id: str) -> int:
        """Keep what the droplet wrote as a new layer and return its size in bytes.

        The copy of a running droplet is what a power failure would leave. A layer that is there already stays.
        """
        layer, draft = self.layer(layer_id), self._layers / f"{DRAFT}{layer_id}"
        if not layer.is_dir():
            self._layers.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._discard(draft)
            try:
                with self.opened(droplet_id) as data:
                    if not (data / "upper").is_dir():
                        raise HostError(f"Droplet {droplet_id} has no disk to take a snapshot of.")
                    run(copy_command(data / "upper", draft), timeout=600)
            except HostError as error:
                self._discard(draft)
                if TOO_LONG in error.message:
                    raise HostError(
                        f"Droplet {droplet_id} cannot be copied: a path on its disk is longer than 4,095 bytes.",
                        "Remove the folders that are nested so deeply.",
                    ) from None
                raise
            draft.rename(layer)
        return _bytes(layer)

    def layer(self, layer_id: str) -> Path:
        """Where a layer is (to be) found."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", layer_id):
            raise ValueError(f"not a layer id: {layer_id!r}")
        return self._layers / layer_id

    def delete_layer(self, layer_id: str) -> None:
        """Remove a layer; the caller knows that nothing stands on it."""
        layer, draft = self.layer(layer_id), self._layers / f"{DRAFT}{layer_id}"
        if layer.is_dir():
            self._discard(draft)
            layer.rename(draft)
        self._discard(draft)

    def size(self, droplet_id: int) -> int:
        """The bytes on disk of what a droplet wrote."""
        disk = self._disks / str(droplet_id)
        return self.volumes.bytes(disk) if self.volumes.has(disk) else _bytes(disk / "upper")

    def layer_size(self, layer_id: str) -> int:
        """The bytes on disk of a layer."""
        return _bytes(self.layer(layer_id))

    def layer_names(self) -> set[str]:
        """The layers that are on disk, half-made ones included."""
        found = self._layers.iterdir() if self._layers.is_dir() else ()
        return {layer.name.removeprefix(DRAFT) for layer in found}

    def known(self) -> set[int]:
        """The droplets that have anything of a disk."""
        found = self._disks.iterdir() if self._disks.is_dir() else ()
        return {int(disk.name) for disk in found if disk.name.isdigit()}

    def mounted(self) -> set[int]:
        """The droplets whose disks are mounted."""
        return {droplet_id for droplet_id in self.known() if self._is_mounted(droplet_id)}

    def _is_mounted(self, droplet_id: int) -> bool:
        return os.path.ismount(self.root(droplet_id)) or os.path.ismount(self._disks / str(droplet_id) / "fs")

    @contextmanager
    def opened(self, droplet_id: int) -> Iterator[Path]:
        """Where upper and work of a disk are, also while the droplet is off."""
        disk = self._disks / str(droplet_id)
        if not self.volumes.has(disk):
            yield disk
            return
        try:
            yield self.volumes.open(disk)
        finally:
            if not os.path.ismount(disk / "root"):  # also what a server that was killed in the midst of this left open
                self.volumes.close(disk)

    def _discard(self, draft: Path) -> None:
        run(["rm", "-rf", "--one-file-system", str(draft)], timeout=600)

    def _make(self, disk: Path, size: int) -> Path:
        """Have the directories of a disk; where upper and work are."""
        self._disks.mkdir(mode=0o700, parents=True, exist_ok=True)
        disk.mkdir(mode=0o700, exist_ok=True)
        limited = not (disk / "upper").is_dir() and not self.volumes.reason
        data = self.volumes.ensure(disk, size) if limited else disk
        for folder in (disk / "root", data / "upper", data / "work"):
            if not folder.is_dir():
                folder.mkdir()
                folder.chmod(0o755)
        os.chown(data / "upper", SHIFT, SHIFT)
        return data


def mount_command(data: Path, root: Path, layers: Sequence[Path]) -> list[str]:
    """The command that mounts a disk; features that would tie a layer to its neighbours are off."""
    lower = ":".join(str(layer) for layer in layers)
    options = f"lowerdir={lower},upperdir={data / 'upper'},workdir={data / 'work'}"
    return [
        "mount", "-t", "overlay", "localocean",
        "-o", f"nodev,{options},redirect_dir=off,metacopy=off,index=off", str(root),
    ]  # fmt: skip


def copy_command(upper: Path, draft: Path) -> list[str]:
    """The command that copies what a droplet wrote, which may run: what it removes meanwhile is not there.

    It may also put a link to elsewhere where a directory was. So the copy is made of a mount that follows no links, in
    a namespace that ends with it. Room that a file has reserved, as a swap file has, is not copied.
    """
    script = """
    mount --bind "$1" "$1" || exit 1
    mount -o remount,bind,nosymfollow "$1" || exit 1
    cp -a --reflink=auto --sparse=always "$1" "$2" 2>&1 | grep -v ": No such file or directory$" | tail --lines=1 >&2
    ended=("${PIPESTATUS[@]}")
    # cp has said nothing but what is left out; it may have said as much as it liked, of which one line is kept
    [ "${ended[0]}" = 0 ] || [ "${ended[0]} ${ended[1]}" = "1 1" ]
    """
    return ["unshare", "--mount", "bash", "-uc", script, "bash", str(upper), str(draft)]


def _bytes(path: Path) -> int:
    """What vanishes while it is counted, as a running droplet's files do, does not count."""
    if not path.is_dir():
        return 0
    counted = run(["sh", "-c", 'du -s --block-size=1 "$1" 2>/dev/null', "sh", str(path)], check=False, timeout=600)
    return int((counted.split() or ["0"])[0])
