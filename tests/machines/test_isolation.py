"""What a droplet cannot do: reach the host's services, use more than its size, or write where it does not belong."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from localocean.host import inside
from localocean.host.machines import MachineSpec
from tests.support import needs_controller

from .conftest import Cloud

CONNECT = "timeout 5 bash -c 'exec 3<>/dev/tcp/{}/{}' 2>&1"


@pytest.mark.parametrize("own", [True, False], ids=["gateway", "another address of the host"])
def test_the_hosts_services_are_out_of_reach(cloud: Cloud, droplet: MachineSpec, own: bool) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        address = str(cloud.config.gateway) if own else probe.getsockname()[0]
        status, said = cloud.sh(droplet.public_address, CONNECT.format(address, server.getsockname()[1]))
        assert status != 0
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_the_gateway_answers_ping(cloud: Cloud, droplet: MachineSpec) -> None:
    assert cloud.sh(droplet.public_address, f"ping -c1 -W2 {cloud.config.gateway}")[0] == 0


def test_its_root_is_nobody_on_the_host(cloud: Cloud, droplet: MachineSpec) -> None:
    cloud.sh(droplet.public_address, "touch /root/mine; umount /proc/sys; echo 1 >/proc/sys/kernel/sysrq; dmesg -n 1")
    assert (droplet.root / "root/mine").stat().st_uid == inside.SHIFT
    status, _ = cloud.sh(droplet.public_address, "echo b >/proc/sysrq-trigger")
    assert status != 0


def test_it_has_the_memory_of_its_size(cloud: Cloud) -> None:
    needs_controller("memory")
    spec = cloud.boot(memory_mb=256)
    eater = "python3 -c 'x = bytearray(400 << 20); print(len(x))'"
    assert cloud.sh(spec.public_address, eater)[0] != 0
    assert cloud.machines.is_running(spec.droplet_id)
    assert cloud.sh(spec.public_address, "true")[0] == 0
    cloud.remove(spec)


def test_it_has_the_processors_of_its_size(cloud: Cloud, droplet: MachineSpec) -> None:
    needs_controller("cpu")
    burn = "for i in 1 2 3 4; do timeout 2 sh -c 'while :; do :; done' & done; wait; times"
    _, said = cloud.sh(droplet.public_address, f'bash -c "{burn}"')
    minutes, seconds = said.split()[-2].rstrip("s").split("m")
    assert 60 * int(minutes) + float(seconds) < 3.0, "4 loops of 2 s on one processor use about 2 s"


def test_addresses_of_nobody_are_unreachable_at_once(cloud: Cloud, droplet: MachineSpec) -> None:
    """And not after the three seconds that an address takes to be given up."""
    for address in (cloud.config.public_network[-2], cloud.config.floating_network[9]):

        def from_here(address: IPv4Address = address) -> None:
            with pytest.raises(OSError, match="No route to host"):
                socket.create_connection((str(address), 80), timeout=5)

        def from_the_droplet(address: IPv4Address = address) -> None:
            assert "No route to host" in cloud.sh(droplet.public_address, CONNECT.format(address, 80))[1]

        assert quickest(from_here) < 2
        assert quickest(from_the_droplet) < 4


def quickest(work: Callable[[], None]) -> float:
    """Seconds of the quickest of three times; a busy machine makes some of them slow."""
    took = []
    for _ in range(3):
        begin = time.monotonic()
        work()
        took.append(time.monotonic() - begin)
    return min(took)


def test_what_it_left_on_its_disk_leads_nowhere(tmp_path: Path) -> None:
    root, victim = tmp_path / "root", tmp_path / "victim"
    (root / "etc").mkdir(parents=True)
    victim.mkdir()
    (victim / "file").write_text("untouched")
    (root / "etc/dir").symlink_to(victim)
    (root / "etc/file").symlink_to(victim / "file")
    inside.write(root, "/etc/dir/file", "written")
    inside.write(root, "/etc/file", "written")
    assert (victim / "file").read_text() == "untouched"
    assert (root / "etc/dir/file").read_text() == (root / "etc/file").read_text() == "written"


def test_what_is_in_its_way_there_is_not_kept_open(tmp_path: Path) -> None:
    """A disk of which a file is open could not be unmounted any more."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("folder")
    for name in ("folder", "pipe", "link", "none", "pipe/below"):
        assert inside.read(tmp_path, f"/{name}") is None
    for path in ("/folder", f"/{'x' * 300}", f"/{'x' * 300}/below"):
        with pytest.raises(OSError):
            inside.write(tmp_path, path, "written")
    held = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    assert not [path for path in held if path.startswith(str(tmp_path))]
