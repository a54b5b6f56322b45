"""The disks of droplets: an overlay of one writable directory on the layers of an image.

    <state>/disks/<droplet id>/{upper,work,root}    root is where the overlay is mounted
    <state>/layers/<layer id>/                      what a snapshot added to the layers below it

Every operation can be repeated after a crash. A layer is complete from the moment it has its name.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

from localcloud.config import Config
from localcloud.host.errors import HostError
from localcloud.host.inside import SHIFT
from localcloud.host.run import run

DRAFT = ".draft-"
TOO_LONG = os.strerror(errno.ENAMETOOLONG)


class Disks:
    """The disks and layers of one cloud."""

    def __init__(self, config: Config) -> None:
        self._disks = config.state / "disks"
        self._layers = config.state / "layers"

    def root(self, droplet_id: int) -> Path:
        """Where the disk of a droplet is (to be) mounted."""
        return self._disks / str(droplet_id) / "root"

    def mount(self, droplet_id: int, layers: Sequence[Path]) -> Path:
        """Mount the disk on ``layers`` (topmost first), making it if need be, and return its root.

        Raises ``HostError`` when a layer is missing or the kernel refuses.
        """
        disk, root = self._disks / str(droplet_id), self.root(droplet_id)
        for layer in layers:
            if not layer.is_dir():
                raise HostError(f"The image layer {layer} is missing.", "Delete the image and make it again.")
        if not os.path.ismount(root):
            self._make(disk)
            run(mount_command(disk, layers))
        return root

    def unmount(self, droplet_id: int) -> None:
        """Unmount the disk if it is mounted."""
        if os.path.ismount(self.root(droplet_id)):
            run(["umount", str(self.root(droplet_id))])

    def delete(self, droplet_id: int) -> None:
        """Unmount the disk and remove it with all that it holds."""
        self.unmount(droplet_id)
        run(["rm", "-rf", "--one-file-system", str(self._disks / str(droplet_id))], timeout=600)

    def snapshot(self, droplet_id: int, layer_id: str) -> int:
        """Keep what the droplet wrote as a new layer and return its size in bytes.

        The copy of a running droplet is what a power failure would leave. A layer that is there already stays.
        """
        layer, draft = self.layer(layer_id), self._layers / f"{DRAFT}{layer_id}"
        upper = self._disks / str(droplet_id) / "upper"
        if not upper.is_dir():
            raise HostError(f"Droplet {droplet_id} has no disk to take a snapshot of.")
        if not layer.is_dir():
            self._layers.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._discard(draft)
            try:
                run(copy_command(upper, draft), timeout=600)
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
        return _bytes(self._disks / str(droplet_id) / "upper")

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
        return {droplet_id for droplet_id in self.known() if os.path.ismount(self.root(droplet_id))}

    def _discard(self, draft: Path) -> None:
        run(["rm", "-rf", "--one-file-system", str(draft)], timeout=600)

    def _make(self, disk: Path) -> None:
        self._disks.mkdir(mode=0o700, parents=True, exist_ok=True)
        disk.mkdir(mode=0o700, exist_ok=True)
        for name in ("upper", "work", "root"):
            (disk / name).mkdir(mode=0o755, exist_ok=True)
        os.chown(disk / "upper", SHIFT, SHIFT)


def mount_command(disk: Path, layers: Sequence[Path]) -> list[str]:
    """The command that mounts ``disk``; features that would tie a layer to its neighbours are off."""
    lower = ":".join(str(layer) for layer in layers)
    options = f"lowerdir={lower},upperdir={disk / 'upper'},workdir={disk / 'work'}"
    return [
        "mount", "-t", "overlay", "localcloud",
        "-o", f"nodev,{options},redirect_dir=off,metacopy=off,index=off", str(disk / "root"),
    ]  # fmt: skip


def copy_command(upper: Path, draft: Path) -> list[str]:
    """The command that copies what a droplet wrote, which may run: what it removes meanwhile is not there.

    It may also put a link to elsewhere where a directory was. So the copy is made of a mount that follows no links, in
    a namespace that ends with it.
    """
    script = """
    mount --bind "$1" "$1" || exit 1
    mount -o remount,bind,nosymfollow "$1" || exit 1
    cp -a --reflink=auto "$1" "$2" 2>&1 | grep -v ": No such file or directory$" | tail --lines=1 >&2
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
