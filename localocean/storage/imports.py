"""Root file systems from outside, made into layers that droplets can stand on with nothing below.

What is taken is a tar archive of a root file system, as it is or compressed. It is fetched to the disk, unpacked where
only root can go, stripped of devices and given to the droplets' user namespace; then it gets its name, or leaves
nothing.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import stat
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from localocean.config import Config
from localocean.host.errors import HostError
from localocean.host.run import run, watched
from localocean.storage.bases import shift
from localocean.storage.disks import DRAFT, TOO_LONG, Disks

SCHEMES = ("http", "https", "file")
CHUNK = 1 << 20
SPARE = 1 << 30
SECONDS = 30.0
DISKS = {b"QFI\xfb": "qcow2", b"conectix": "VHD", b"KDMV": "VMDK", b"<<< ": "VDI"}
OPENERS: dict[bytes, Callable[[Path], AbstractContextManager[Any]]] = {
    b"\x1f\x8b": lambda path: gzip.open(path),
    b"BZh": lambda path: bz2.open(path),
    b"\xfd7zXZ": lambda path: lzma.open(path),
}
ZSTD = b"\x28\xb5\x2f\xfd"
INITS = ("sbin/init", "usr/sbin/init", "lib/systemd/systemd", "usr/lib/systemd/systemd")
HINT = "The local cloud takes a tar archive of a root file system, which may be compressed."


class Imports:
    """The layers of one cloud that came from outside."""

    def __init__(self, config: Config, disks: Disks) -> None:
        self._state = config.state
        self._disks = disks

    def fetch(self, url: str, layer_id: str, check: Callable[[], None]) -> int:
        """Make the archive at ``url`` a layer and return its size in bytes; one that is there already stays.

        ``check`` is called often and may raise to give up. Raises ``HostError``; nothing is left behind then.
        """
        layer = self._disks.layer(layer_id)
        if not layer.is_dir():
            layer.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            archive = layer.with_name(f"{DRAFT}{layer_id}.archive")
            try:
                self._download(url, archive, check)
                self._unpack(archive, layer_id, check)
            finally:
                archive.unlink(missing_ok=True)
        return self._disks.layer_size(layer_id)

    def _download(self, url: str, archive: Path, check: Callable[[], None]) -> None:
        try:
            with self._open(url) as source, archive.open("wb") as target:
                while block := source.read(CHUNK):
                    check()
                    self._check_room()
                    target.write(block)
        except (OSError, HTTPException, ValueError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise HostError(f"The image could not be fetched from {url}: {reason}.") from None

    def _check_room(self) -> None:
        if shutil.disk_usage(self._state).free < SPARE:
            raise HostError("The disk has no room for the image.", f"Make room in {self._state}.")

    def _open(self, url: str) -> IO[bytes]:
        if urlsplit(url).scheme == "file":
            return self._open_file(Path(unquote(urlsplit(url).path)))
        # Named, so that a redirect leads to no other scheme.
        handlers = (urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler)
        others = (urllib.request.HTTPRedirectHandler, urllib.request.HTTPDefaultErrorHandler)
        opener = urllib.request.OpenerDirector()
        for handler in (*handlers, *others, urllib.request.HTTPErrorProcessor, urllib.request.UnknownHandler):
            opener.add_handler(handler())
        found: IO[bytes] = opener.open(url, timeout=SECONDS)
        return found

    def _open_file(self, path: Path) -> IO[bytes]:
        """A regular file that the user who owns the cloud could read without us, who are root; by groups he may not."""
        path, owner = Path(os.path.realpath(path)), (self._state / "credentials.json").stat().st_uid
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        found = os.fstat(file)
        reached = all(_may(owner, 0o1, folder.stat()) for folder in path.parents)
        if not (stat.S_ISREG(found.st_mode) and reached and _may(owner, 0o4, found)):
            os.close(file)
            raise PermissionError("it is not a file that the owner of the cloud may read")
        return os.fdopen(file, "rb")

    def _unpack(self, archive: Path, layer_id: str, check: Callable[[], None]) -> None:
        def watch() -> None:
            check()
            self._check_room()

        refuse_what_is_no_archive(archive)
        layer = self._disks.layer(layer_id)
        draft = layer.with_name(f"{DRAFT}{layer_id}")
        run(["rm", "-rf", "--one-file-system", str(draft)], timeout=600)
        draft.mkdir(mode=0o700)
        try:
            _extract(archive, draft, watch)
            run(["find", str(draft), "(", "-type", "b", "-o", "-type", "c", ")", "-delete"], timeout=600)
            if not any(os.path.lexists(draft / init) for init in INITS):
                raise HostError("The image has no init, so nothing could boot from it.", HINT)
            draft.chmod(0o755)
            shift(draft)
            draft.rename(layer)
        except BaseException:
            with suppress(HostError):
                run(["rm", "-rf", "--one-file-system", str(draft)], timeout=600)
            raise


def _extract(archive: Path, draft: Path, watch: Callable[[], None]) -> None:
    try:
        watched(unpack_command(archive, draft), watch)
    except HostError as error:
        if TOO_LONG in error.message:
            raise HostError("The image has a path of more than 4,095 bytes, which nothing unpacks.", HINT) from None
        raise


def _may(user: int, right: int, found: os.stat_result) -> bool:
    """Whether a user has a right (4 to read, 1 to pass), as owner or as one of all."""
    return user == 0 or bool(found.st_mode & (right << 6 if found.st_uid == user else right))


def unpack_command(archive: Path, target: Path) -> list[str]:
    """The command that unpacks ``archive``; tar itself keeps names and links from leading out of ``target``.

    Attributes that only the host's root is trusted with, as those of overlayfs, are no part of a root file system.
    """
    options = ["--numeric-owner", "--same-permissions", "--xattrs", "--xattrs-include=*", "--xattrs-exclude=trusted.*"]
    return ["tar", "--extract", *options, f"--file={archive}", f"--directory={target}"]


def refuse_what_is_no_archive(path: Path) -> None:
    """Raise ``HostError`` that says what the file is instead of a tar archive."""
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(ZSTD):
        if not shutil.which("zstd"):
            raise HostError("The image is compressed with zstd, which this machine cannot read.", "Install zstd.")
        return
    opener = next((opener for magic, opener in OPENERS.items() if head.startswith(magic)), None)
    if opener:
        try:
            with opener(path) as file:
                head = file.read(512)
        except (OSError, EOFError, lzma.LZMAError):
            raise HostError("The image is damaged: it cannot be decompressed.", HINT) from None
    kind = next((name for magic, name in DISKS.items() if head.startswith(magic)), "raw or unknown")
    if head[257:262] != b"ustar":
        raise HostError(f"Disk images ({kind}) are not supported.", HINT)
