"""A snapshot holds what its droplet wrote; what is made of it is a droplet of its own."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from localocean.host.errors import HostError
from localocean.host.run import run
from localocean.storage.disks import copy_command
from tests.support import needs_loop_devices

from .conftest import Cloud

IDENTITY = (
    "cloud-init status --wait >/dev/null;"
    " cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub; cloud-init query instance_id"
)


def test_a_droplet_of_a_snapshot(cloud: Cloud) -> None:
    first = cloud.boot()
    _, before = cloud.sh(first.public_address, IDENTITY)
    cloud.sh(first.public_address, "echo baked >/root/file; rm /usr/bin/less; truncate -s0 /etc/machine-id; sync")
    assert cloud.machines.shutdown(first.droplet_id)
    size = cloud.disks.snapshot(first.droplet_id, "layer-1")
    assert cloud.disks.snapshot(first.droplet_id, "layer-1") == size == cloud.disks.layer_size("layer-1") > 0
    cloud.remove(first)

    second = cloud.boot([cloud.disks.layer("layer-1"), cloud.base])
    status, after = cloud.sh(second.public_address, IDENTITY)
    assert status == 0
    assert len(after.splitlines()) == len(before.splitlines()) == 3
    for old, new in zip(before.splitlines(), after.splitlines(), strict=True):
        assert old != new, "machine id, host key and instance id are new"
    assert cloud.sh(second.public_address, "cat /root/file; test ! -e /usr/bin/less && hostname")[1].split() == [
        "baked",
        second.hostname,
    ]
    cloud.remove(second)
    cloud.disks.delete_layer("layer-1")
    cloud.disks.delete_layer("layer-1")
    assert not cloud.disks.layer("layer-1").exists()


def test_the_copy_of_a_running_droplet_does_not_leave_its_disk(cloud: Cloud, tmp_path: Path) -> None:
    """The droplet may put a link where a directory was, at any moment."""
    moving, secret = cloud.disks.root(999).parent / "upper", tmp_path / "secret"
    for folder, content in ((moving / "folder", "its own"), (secret, "secret")):
        folder.mkdir(parents=True)
        for number in range(100):
            (folder / f"{number}").write_text(content)
    (moving / "link").symlink_to(secret)
    exchange = ctypes.CDLL(None).renameat2
    names = [os.fsencode(moving / name) for name in ("folder", "link")]
    with droplet(cloud, 999, 20) as layers, meanwhile(lambda: exchange(-100, names[0], -100, names[1], 2)):
        for layer in layers:
            with suppress(HostError):  # one that meets the link in the place of the directory is refused
                cloud.disks.snapshot(999, layer)
        made = [path for layer in layers if (path := cloud.disks.layer(layer)).is_dir()]
        copied = [file.read_text() for path in made for file in path.glob("*/*") if not file.parent.is_symlink()]
        assert "secret" not in copied


def test_a_running_droplet_may_remove_what_is_being_copied(cloud: Cloud) -> None:
    upper = cloud.disks.root(998).parent / "upper"
    (upper / "kept").mkdir(parents=True)
    for number in range(300):
        (upper / "kept" / f"{number}").touch()

    def remove() -> None:
        for number in range(300):
            (upper / f"going{number}").touch()
        for number in range(300):
            (upper / f"going{number}").unlink()

    with droplet(cloud, 998, 10) as layers, meanwhile(remove):
        for layer in layers:
            cloud.disks.snapshot(998, layer)
            assert len(list((cloud.disks.layer(layer) / "kept").iterdir())) == 300


def test_a_snapshot_that_was_cut_off_leaves_no_disk_open(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_loop_devices()
    cloud.disks.mount(996, [cloud.base], 1)
    cloud.disks.unmount(996)
    cloud.disks.volumes.open(cloud.disks.root(996).parent)  # as a server that was killed leaves it
    with droplet(cloud, 996, 2) as (first, second):
        cloud.disks.snapshot(996, first)
        assert 996 not in cloud.disks.mounted()
        monkeypatch.setattr("localocean.storage.disks.copy_command", lambda *_: ["false"])
        with pytest.raises(HostError):
            cloud.disks.snapshot(996, second)
        assert 996 not in cloud.disks.mounted()


@contextmanager
def droplet(cloud: Cloud, number: int, copies: int) -> Iterator[list[str]]:
    """The names of layers to be made of a droplet's disk; all of it is gone afterwards."""
    layers = [f"copy{number}of{copy}" for copy in range(copies)]
    try:
        yield layers
    finally:
        cloud.disks.delete(number)
        for layer in layers:
            cloud.disks.delete_layer(layer)


@contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[None]:
    """Do it again and again, without a pause."""
    over = threading.Event()

    def repeat() -> None:
        while not over.is_set():
            work()

    worker = threading.Thread(target=repeat)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


def test_a_copy_for_which_there_is_no_room_is_none(cloud: Cloud, tmp_path: Path) -> None:
    full, upper = tmp_path / "full", tmp_path / "upper"
    for folder in (full, upper):
        folder.mkdir()
    (upper / "large").write_bytes(os.urandom(4096) * 1000)
    run(["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(full)])
    try:
        with pytest.raises(HostError, match="No space left on device"):
            run(copy_command(upper, full / "copy"))
    finally:
        run(["umount", str(full)])
