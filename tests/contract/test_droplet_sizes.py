"""A droplet shows the memory, processors and disk of its size, and its disk never fills the machine's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contract.support import Api, Daemon
from tests.support import has_controller, has_loop_devices, needs_controller, needs_loop_devices, until

SIZES = {"s-1vcpu-512mb-10gb": (512, 1, 10), "s-2vcpu-2gb": (2048, 2, 60)}


def shell(daemon: Daemon, droplet: object, script: str, check: bool = True) -> str:
    return daemon.run("shell", str(droplet), "--", "sh", "-c", script, check=check).stdout.strip()


@pytest.mark.parametrize("size", SIZES)
def test_a_droplet_shows_what_its_size_has(daemon: Daemon, api: Api, clean: None, size: str) -> None:
    memory, vcpus, disk = SIZES[size]
    droplet = api.droplet(name="sized", size=size)["id"]
    ready = "systemctl is-active --quiet sysinit.target"
    until(lambda: daemon.run("shell", str(droplet), "--", "sh", "-c", ready, check=False).returncode == 0)
    free = shell(daemon, droplet, "free --mebi").splitlines()
    assert free[1].split()[1] == str(memory)
    assert free[2].split()[1:] == ["0", "0", "0"]
    counted = has_controller("memory")
    until(lambda: not counted or 0 < int(shell(daemon, droplet, "free --mebi | sed -n 2p").split()[2]) < memory)
    processors = min(vcpus, os.cpu_count() or 1)
    assert shell(daemon, droplet, "nproc") == str(processors)
    assert shell(daemon, droplet, "grep --count ^processor /proc/cpuinfo") == str(processors)
    assert shell(daemon, droplet, "swapon --show; tail -n +2 /proc/swaps") == ""
    limits = api.get("/_localocean/status")["limits"]
    assert (limits["disk"], not limits["reason"], limits["waiting"]) == (has_loop_devices(), has_loop_devices(), [])
    shown = int(shell(daemon, droplet, "df --output=size --block-size=1M / | tail -1"))
    assert not limits["disk"] or 0.9 * disk * 1024 < shown <= disk * 1024


def test_memory_that_is_used_shows(daemon: Daemon, api: Api, clean: None) -> None:
    needs_controller("memory")
    droplet = api.droplet()["id"]

    def available() -> int:
        return int(shell(daemon, droplet, "sed -n 's/MemAvailable: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"))

    until(lambda: available() < 512 << 10)
    before = available()
    shell(
        daemon,
        droplet,
        "systemd-run --quiet --unit=hog python3 -c 'x = bytearray(150 << 20); import time; time.sleep(99)'",
    )
    until(lambda: available() < before - (120 << 10), 20)


def test_a_full_disk_is_the_droplets_own(daemon: Daemon, api: Api, clean: None) -> None:
    """One that is enlarged takes more."""
    needs_loop_devices()
    droplet = api.droplet()["id"]
    said = shell(daemon, droplet, "fallocate --length 20G /root/big 2>&1", check=False)
    assert "No space left on device" in said
    shell(daemon, droplet, "rm --force /root/big; fallocate --length 8G /root/big && sync")
    assert api.get("/_localocean/usage")["droplets"][str(droplet)] < 1 << 30
    api.act(droplet, "power_off")
    api.act(droplet, "resize", size="s-1vcpu-1gb", disk=True)
    api.act(droplet, "power_on")
    shell(
        daemon,
        droplet,
        "fallocate --length 14G /root/more && rm /root/more /root/big && fallocate --length 1G /root/big",
    )
    api.act(droplet, "snapshot", name="large")
    assert sum(api.get("/_localocean/usage")["images"].values()) < 500 << 20, (
        "what is reserved takes no room in a layer"
    )


@contextmanager
def small_disk(folder: Path, image: Path, size: str) -> Iterator[None]:
    """A file system of its own in the folder, which is this machine's disk for whoever is there."""
    subprocess.run(["truncate", f"--size={size}", str(image)], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)], check=True)
    folder.mkdir(mode=0o711)
    subprocess.run(["mount", "-o", "loop", str(image), str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_droplets_that_write_wait_before_the_machine_is_full(other_daemon: Daemon) -> None:
    needs_loop_devices()
    image = other_daemon.state.with_name("disk.img")
    with small_disk(other_daemon.state, image, "4G"):
        started = other_daemon.up()
        api = Api(started["endpoint"], started["token"])
        writer, other = (api.droplet(name=name)["id"] for name in ("writer", "other"))
        fill = "systemd-run --quiet --unit=fill dd if=/dev/zero of=/root/big bs=1M count=8000 conv=fsync"
        shell(other_daemon, writer, fill)
        until(lambda: writer in api.get("/_localocean/status")["limits"]["waiting"], 120)
        assert shutil.disk_usage(other_daemon.state).free > 200 << 20
        assert "nearly full" in other_daemon.run("status").stdout
        assert shell(other_daemon, other, "cat /etc/hostname") == "other"
        api.delete_droplet(writer)
        until(lambda: api.get("/_localocean/status")["limits"]["waiting"] == [])
        assert shutil.disk_usage(other_daemon.state).free > 2 << 30
        assert api.droplet(name="next")["status"] == "active"
        other_daemon.run("reset", "--yes")
        other_daemon.run("down")
