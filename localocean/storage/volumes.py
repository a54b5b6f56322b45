"""File systems of a limited size, so that what a droplet writes never fills this machine's: ext4 in sparse files.

    <disk>/disk.img    the file, as large as the file system can get; it takes from the machine what is written
    <disk>/fs/         where it is mounted

Files of many droplets can promise more than the machine has. So the machine keeps some room to itself: when that is
reached, the file systems that grow are frozen until there is room again, and whoever writes there waits.
"""

from __future__ import annotations

import logging
import os
import shutil
import struct
import threading
import time
from functools import cached_property
from pathlib import Path

from localocean.host.errors import HostError
from localocean.host.inside import SHIFT
from localocean.host.run import run

KEPT_BYTES = 1 << 30
"""What a machine keeps to itself: droplets that write wait while less is free."""

ROOM_BYTES = KEPT_BYTES + (256 << 20)
"""What must be free before they go on."""

JOURNAL_MB = 16
SUPERBLOCK = 1024
# No table of inodes is written before it is used, and what is deleted is given back to the machine.
OPTIONS = "nodev,noinit_itable,discard,errors=remount-ro"
ATTEMPTS, PAUSE_SECONDS = 5, 0.2

log = logging.getLogger("localocean.storage")


class Volumes:
    """The file systems below one folder. Raises ``HostError``; what it makes can be repeated after a crash."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sizes: dict[Path, int] = {}
        self._lock = threading.Lock()
        self._frozen: set[Path] = set()
        self._ending: set[Path] = set()

    @property
    def reason(self) -> str:
        """Why there can be none on this machine; empty where there can."""
        with self._lock:
            return self._reason

    @cached_property
    def _reason(self) -> str:
        trial = self._folder / ".trial"
        shutil.rmtree(trial, ignore_errors=True)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            trial.mkdir(mode=0o700)
            self.open(self._make(trial, 32 << 20))
            self.close(trial)
        except (HostError, OSError) as error:
            log.warning("the disks of droplets have no limit: %s", error)
            return str(error)
        finally:
            shutil.rmtree(trial, ignore_errors=True)
        return ""

    def ensure(self, disk: Path, size: int) -> Path:
        """Have the file system of a disk mounted, of at least ``size`` bytes, made or enlarged for it; where it is."""
        if not _file(disk).exists():
            self._make(disk, size)
        elif not os.path.ismount(disk / "fs"):
            _enlarge(_file(disk), size)
        return self.open(disk)

    def has(self, disk: Path) -> bool:
        return _file(disk).exists()

    def open(self, disk: Path) -> Path:
        """Have the file system of a disk mounted; where it is."""
        mounted = disk / "fs"
        if not os.path.ismount(mounted):
            mounted.mkdir(mode=0o700, exist_ok=True)
            _mount(_file(disk), mounted)
        self._sizes.pop(disk, None)
        self._ending.discard(disk)
        return mounted

    def close(self, disk: Path) -> None:
        """Unmount the file system of a disk if it is mounted."""
        if os.path.ismount(disk / "fs"):
            self.release(disk)
            run(["umount", str(disk / "fs")])

    def bytes(self, disk: Path) -> int:
        """What the file of a disk takes from the machine."""
        return _file(disk).stat().st_blocks * 512

    def guard(self) -> None:
        """Freeze what grows while the machine has too little room, and let it go on when there is enough."""
        free = shutil.disk_usage(self._folder).free if self._folder.is_dir() else ROOM_BYTES
        if self._frozen and free >= ROOM_BYTES:
            for disk in list(self._frozen):
                self._thaw(disk)
        if free < 4 * KEPT_BYTES:
            for file in self._folder.glob("*/disk.img"):
                self._look(file.parent, free)

    def frozen(self) -> list[Path]:
        """The disks that wait for room on the machine."""
        return sorted(self._frozen)

    def release(self, disk: Path) -> None:
        """Let a disk go on whose droplet is about to end, which it cannot while it waits; until it is opened again.

        One that a server before this one froze is let go as well.
        """
        self._ending.add(disk)
        if os.path.ismount(disk / "fs"):
            self._thaw(disk)

    def _thaw(self, disk: Path) -> None:
        self._frozen.discard(disk)
        run(["fsfreeze", "--unfreeze", str(disk / "fs")], check=False)

    def _look(self, disk: Path, free: int) -> None:
        """Freeze a disk that has grown since it was last looked at, if the machine has too little room."""
        try:
            size = self.bytes(disk)
        except FileNotFoundError:
            return
        before = self._sizes.get(disk, size)
        self._sizes[disk] = size
        if free >= KEPT_BYTES or size <= before or disk in self._frozen | self._ending:
            return
        if os.path.ismount(disk / "fs"):
            log.warning("the disk %s is frozen: this machine has %d MB left", disk.name, free >> 20)
            self._frozen.add(disk)
            run(["fsfreeze", "--freeze", str(disk / "fs")], check=False)

    def _make(self, disk: Path, size: int) -> Path:
        """Make the file at once or not at all."""
        draft = disk / ".disk.img"
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.truncate(size)
        extended = f"nodiscard,lazy_itable_init=1,lazy_journal_init=1,root_owner={SHIFT}:{SHIFT}"
        journal = f"size={JOURNAL_MB if size > (1 << 30) else 4}"
        run(["mkfs.ext4", "-q", "-F", "-m", "0", "-J", journal, "-E", extended, str(draft)])
        draft.rename(_file(disk))
        return disk


def _enlarge(file: Path, size: int) -> None:
    """Make the file system in a file that is not mounted larger, also when the file is so already.

    While it is mounted that takes a capability that root lacks in some containers.
    """
    if file.stat().st_size < size:
        os.truncate(file, size)
    if _used(file) < file.stat().st_size:
        run(["e2fsck", "-f", "-p", str(file)], check=False, timeout=600)
        run(["resize2fs", str(file)], timeout=600)


def _mount(file: Path, mounted: Path) -> None:
    """Mount a file, on the device that it has already, if any.

    A machine that has just ended may hold the file system for a moment, and two devices of one file would write over
    each other. A device that is about to go is tried again.
    """
    for attempts_left in reversed(range(ATTEMPTS)):
        there = run(["losetup", "--noheadings", "--output=NAME", f"--associated={file}"]).split()
        device = there[0] if there else run(["losetup", "--find", "--show", str(file)]).strip()
        try:
            run(["mount", "-t", "ext4", "-o", OPTIONS, device, str(mounted)])
            return
        except HostError:
            if not attempts_left:
                raise
            time.sleep(PAUSE_SECONDS)
        finally:
            # It goes when nothing of it is mounted any more.
            run(["losetup", "--detach", device], check=False)


def _file(disk: Path) -> Path:
    return disk / "disk.img"


def _used(file: Path) -> int:
    """How large the file system in a file is, in bytes, as its superblock says."""
    with file.open("rb") as stream:
        stream.seek(SUPERBLOCK)
        block = stream.read(1024)
    low, size = struct.unpack_from("<I", block, 4)[0], 1024 << struct.unpack_from("<I", block, 24)[0]
    high = struct.unpack_from("<I", block, 0x150)[0]
    return int((high << 32 | low) * size)
