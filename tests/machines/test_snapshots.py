"""A snapshot holds what its droplet wrote; what is made of it is a droplet of its own."""

from __future__ import annotations

import ctypes
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from localcloud.host.errors import HostError
from localcloud.host.run import run
from localcloud.storage.disks import copy_command

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
    over, exchange = threading.Event(), ctypes.CDLL(None).renameat2
    names = [os.fsencode(moving / name) for name in ("folder", "link")]

    def move() -> None:
        while not over.is_set():
            exchange(-100, names[0], -100, names[1], 2)  # AT_FDCWD, RENAME_EXCHANGE

    mover = threading.Thread(target=move)
    mover.start()
    try:
        for number in range(20):
            with suppress(HostError):  # what vanishes while it is copied
                cloud.disks.snapshot(999, f"moving{number}")
        layers = [path for number in range(20) if (path := cloud.disks.layer(f"moving{number}")).is_dir()]
        copied = [file.read_text() for layer in layers for file in layer.glob("*/*") if not file.parent.is_symlink()]
        assert set(copied) == {"its own"}
    finally:
        over.set()
        mover.join()
        cloud.disks.delete(999)
        for number in range(20):
            cloud.disks.delete_layer(f"moving{number}")


def test_a_running_droplet_may_remove_what_is_being_copied(cloud: Cloud) -> None:
    upper, over = cloud.disks.root(998).parent / "upper", threading.Event()
    (upper / "kept").mkdir(parents=True)
    for number in range(300):
        (upper / "kept" / f"{number}").touch()

    def remove() -> None:
        while not over.is_set():
            for number in range(300):
                (upper / f"going{number}").touch()
            for number in range(300):
                (upper / f"going{number}").unlink()

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        for number in range(10):
            cloud.disks.snapshot(998, f"removing{number}")
            assert len(list((cloud.disks.layer(f"removing{number}") / "kept").iterdir())) == 300
    finally:
        over.set()
        remover.join()
        cloud.disks.delete(998)
        for number in range(10):
            cloud.disks.delete_layer(f"removing{number}")


def test_a_copy_for_which_there_is_no_room_is_none(cloud: Cloud, tmp_path: Path) -> None:
    full, upper = tmp_path / "full", tmp_path / "upper"
    for folder in (full, upper):
        folder.mkdir()
    (upper / "large").write_bytes(bytes(4096) * 1000)
    run(["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(full)])
    try:
        with pytest.raises(HostError, match="No space left on device"):
            run(copy_command(upper, full / "copy"))
    finally:
        run(["umount", str(full)])
