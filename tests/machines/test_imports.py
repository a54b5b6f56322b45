"""Archives that mean ill: what they unpack to stays in its place, belongs to droplets, and does not fill the host."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from localocean.config import Config
from localocean.host import trees
from localocean.host.errors import HostError
from localocean.host.inside import NOBODY, SHIFT
from localocean.storage.disks import Disks
from localocean.storage.imports import Imports

MEGABYTE = 1 << 20
ROOM = 1200 * MEGABYTE
"""Of the file system that the images are on; one gigabyte has to stay free."""


@pytest.fixture
def imports(tmp_path: Path, config: Config) -> Iterator[Imports]:
    state = tmp_path / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(state)], check=True)
    try:
        (state / "credentials.json").touch()
        yield Imports(replace(config, state=state), Disks(replace(config, state=state)))
    finally:
        subprocess.run(["umount", str(state)], check=True)


def member(name: str, **fields: object) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.mode = 0o755
    for field, value in fields.items():
        setattr(found, field, value)
    return found


def archive(path: Path, *members: tarfile.TarInfo) -> str:
    """The URL of a tar archive of these, each a small file if it is not said otherwise, and an init."""
    with tarfile.open(path, "w") as tar:
        for each in (member("sbin/init"), *members):
            each.size = 2 if each.type == tarfile.REGTYPE else 0
            tar.addfile(each, io.BytesIO(b"x\n"))
    return path.as_uri()


def fetched(imports: Imports, url: str) -> Path:
    imports.fetch(url, "one", lambda: None)
    return imports._disks.layer("one")


def test_every_file_belongs_to_the_droplets_whatever_names_and_numbers_it_has(imports: Imports, tmp_path: Path) -> None:
    set_user = member("bin/su", mode=0o4755, uid=7)
    again = member("bin/sudo", type=tarfile.LNKTYPE, linkname="bin/su", mode=0o4755, uid=7)
    far = [member(f"far{uid}", uid=uid, gid=uid) for uid in (65535, 65536, 2**32 - SHIFT, 2**32 - 2)]
    layer = fetched(imports, archive(tmp_path / "a.tar", set_user, again, *far))
    assert [(layer / name).stat().st_uid - SHIFT for name in ("bin/su", "bin/sudo")] == [7, 7]
    assert (layer / "bin/su").stat().st_mode & 0o7777 == 0o4755
    owners = [(found.st_uid - SHIFT, found.st_gid - SHIFT) for each in far for found in [(layer / each.name).stat()]]
    assert owners == [(65535, 65535), *[(NOBODY, NOBODY)] * 3]


def test_nothing_is_written_or_read_beyond_it(imports: Imports, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("untouched")
    members = (
        member("away", type=tarfile.SYMTYPE, linkname=str(victim)),
        member("away/file"),
        member("up", type=tarfile.SYMTYPE, linkname="../../../.."),
        member(f"up{victim}/file"),
        member("linked", type=tarfile.LNKTYPE, linkname=str(victim / "file")),
        member("disk", type=tarfile.BLKTYPE, devmajor=254, devminor=0),
        member("memory", type=tarfile.CHRTYPE, devmajor=1, devminor=1),
        member(str(victim / "absolute")),
        member(f"../../../../..{victim}/relative"),
    )
    url = archive(tmp_path / "a.tar", *members)
    try:
        layer = fetched(imports, url)
    except HostError:
        pass
    else:
        assert not any(path.is_block_device() or path.is_char_device() for path in layer.rglob("*"))
        assert not any(path.stat().st_nlink > 1 for path in layer.rglob("*") if path.is_file())
    assert [path.name for path in victim.iterdir()] == ["file"]
    found = (victim / "file").stat()
    assert ((victim / "file").read_text(), found.st_uid, found.st_nlink) == ("untouched", os.getuid(), 1)


def test_attributes_of_the_hosts_root_are_left_out(imports: Imports, tmp_path: Path) -> None:
    redirected = member("etc", type=tarfile.DIRTYPE)
    redirected.pax_headers = {f"SCHILY.xattr.{name}": "y" for name in ("trusted.overlay.opaque", "user.kept")}
    layer = fetched(imports, archive(tmp_path / "a.tar", redirected))
    assert os.listxattr(layer / "etc") == ["user.kept"]


@pytest.mark.parametrize("name", ["d", "x" * 255], ids=["deep", "long"])
def test_folders_beyond_every_path_are_refused_in_one_sentence_and_leave_nothing(
    imports: Imports, tmp_path: Path, name: str
) -> None:
    url = archive(tmp_path / "a.tar", member("/".join([name] * 5_000)))
    with pytest.raises(HostError, match="^The image has a path of more than 4,095 bytes") as caught:
        imports.fetch(url, "one", lambda: None)
    assert len(caught.value.message) < 200
    assert list(imports._disks.layer("one").parent.iterdir()) == []


def test_folders_that_are_deeper_than_a_recursion_are_the_droplets_too(imports: Imports, tmp_path: Path) -> None:
    deep = "/".join(["d"] * 1_400)
    layer = fetched(imports, archive(tmp_path / "a.tar", member(deep)))
    found = [os.stat(entry.name, dir_fd=entry.folder).st_uid for entry in trees.below(layer / "d")]
    assert found == [SHIFT] * 1_399
    imports._disks.delete_layer("one")
    assert list(layer.parent.iterdir()) == []


def test_folders_that_links_lead_to_beyond_every_path_are_the_droplets_too(imports: Imports, tmp_path: Path) -> None:
    """Each link leads to the end of a path that can be unpacked, and the next path begins there."""
    part = "/".join(["x" * 250] * 15)
    members, above = list[tarfile.TarInfo](), ""
    for number in range(20):
        members += [
            member(f"{above}{part}/end", type=tarfile.DIRTYPE),
            member(f"link{number}", type=tarfile.SYMTYPE, linkname=f"{above}{part}/end"),
        ]
        above = f"link{number}/"
    layer = fetched(imports, archive(tmp_path / "a.tar", *members))
    found = [os.lstat(entry.name, dir_fd=entry.folder).st_uid for entry in trees.below(layer)]
    assert len(found) > 20 * 15 and set(found) == {SHIFT}
    imports._disks.delete_layer("one")
    assert list(layer.parent.iterdir()) == []


def test_what_unpacking_says_is_not_kept_in_memory(imports: Imports, tmp_path: Path) -> None:
    """Each of these names is refused with a line of its own length."""
    names = ["/".join([f"{number:03}" * 80] * 20) for number in range(2_000)]
    url = archive(tmp_path / "a.tar", *map(member, names))
    tracemalloc.start()
    with pytest.raises(HostError, match="^The image has a path of more than 4,095 bytes"):
        imports.fetch(url, "one", lambda: None)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * MEGABYTE, "of which tar says 10 MB"


def test_a_small_archive_that_unpacks_to_more_than_there_is_room_for_leaves_nothing(
    imports: Imports, tmp_path: Path
) -> None:
    zeros = gzip.compress(bytes(64 * MEGABYTE), 1)
    bomb = tmp_path / "a.tar.gz"
    bomb.write_bytes(gzip.compress(member("zeros", size=4096 * MEGABYTE).tobuf()) + 64 * zeros)
    with pytest.raises(HostError, match="The disk has no room for the image"):
        imports.fetch(bomb.as_uri(), "one", lambda: None)
    assert list(imports._disks.layer("one").parent.iterdir()) == []


def test_it_is_given_up_when_nobody_wants_it_any_more(imports: Imports, tmp_path: Path) -> None:
    class Unwanted(Exception):
        pass

    def check() -> None:
        if any(imports._disks.layer("one").parent.glob(".draft-one/zeros")):
            raise Unwanted

    large = tmp_path / "a.tar.gz"
    with tarfile.open(large, "w:gz", compresslevel=1) as tar, open("/dev/zero", "rb") as zeros:
        tar.addfile(member("zeros", size=150 * MEGABYTE), zeros)
    with pytest.raises(Unwanted):
        imports.fetch(large.as_uri(), "one", check)
    assert list(imports._disks.layer("one").parent.iterdir()) == []


def test_a_file_is_read_as_far_as_the_owner_of_the_cloud_may(imports: Imports, tmp_path: Path) -> None:
    owner, other = 1234, 4321
    os.chown(imports._state / "credentials.json", owner, owner)
    folder = tmp_path / "folder"
    folder.mkdir()
    archive(folder / "a.tar")
    for path in (tmp_path, *tmp_path.parents):
        if not path.stat().st_mode & 0o001:
            path.chmod(0o711)

    def may(mode: int, above: int, user: int) -> bool:
        for path, allowed in ((folder, above), (folder / "a.tar", mode)):
            path.chmod(allowed)
            os.chown(path, user, user)
        try:
            with imports._open((folder / "a.tar").as_uri()):
                return True
        except PermissionError:
            return False

    assert may(0o600, 0o700, owner)
    assert may(0o644, 0o711, other)
    assert not may(0o600, 0o711, other)
    assert not may(0o644, 0o700, other), "what is readable in a folder that he may not enter"
