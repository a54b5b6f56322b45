"""What the root of a droplet tries in vain: to change the host, to reach its devices, processes, sockets and files."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from localocean.cleanup import teardown
from localocean.config import Config
from localocean.host import cgroups
from localocean.host.machines import Machines, MachineSpec
from localocean.network import Network
from localocean.storage.disks import Disks
from tests.support import needs_controller, own_settings

from .conftest import Cloud
from .test_isolation import CONNECT

MARKER = "localocean-test-marker"
SETTINGS = ("kernel/core_pattern", "kernel/sysrq", "kernel/modprobe", "vm/swappiness")
# Device numbers of what must not be opened: memory, kernel messages, and every disk of the host.
MEMORY, MESSAGES = (1, 1), (1, 11)
SYSTEM_CALL = """
import ctypes, os, platform, sys
number = dict(x86_64={x86_64}, aarch64={aarch64})[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(number, {arguments})
sys.exit(f"errno {{ctypes.get_errno()}}" if result < 0 else 0)
"""
# open_by_handle_at(2) opens any file of a file system by its inode, if it is allowed at all.
BY_HANDLE = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
here = os.open("/", os.O_RDONLY)
handle = ctypes.create_string_buffer(struct.pack("IiII", 8, 1, 2, 0))
result = libc.open_by_handle_at(here, handle, os.O_RDONLY)
sys.exit(f"errno {ctypes.get_errno()}" if result < 0 else 0)
"""
THREADS = """
import threading
threading.stack_size(65536)
hold, number = threading.Event(), 0
try:
    while number < 20000:
        threading.Thread(target=hold.wait).start()
        number += 1
except RuntimeError:
    pass
print(number)
hold.set()
"""

SEND = """
import socket
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.setsockopt(socket.SOL_IP, 19, 1)  # IP_TRANSPARENT
sender.bind(("{}", 5000))
sender.sendto(b"x", ("{}", 5001))
"""
# Requests by ARP for the neighbour's address, which tell him that the sender has another one.
ANNOUNCE = """
import fcntl, socket, struct
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind(("eth1", 0))
own = fcntl.ioctl(link, 0x8927, b"eth1" + bytes(28))[18:24]  # SIOCGIFHWADDR
head = b"\\xff" * 6 + own + struct.pack("!HHHBBH", 0x806, 1, 0x800, 6, 4, 1)
for _ in range(3):
    link.send(head + own + socket.inet_aton("{0}") + bytes(6) + socket.inet_aton("{1}"))
"""
RECEIVE = """
import socket
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("", 5001))
print("up", flush=True)
print(receiver.recvfrom(9)[1][0])
"""
RECEIVE_TWO = RECEIVE + "print(receiver.recvfrom(9)[1][0])"


def python(cloud: Cloud, droplet: MachineSpec, program: str) -> tuple[int, str]:
    return cloud.sh(droplet.public_address, f"python3 - <<'END'\n{program}\nEND")


def shell(cloud: Cloud, droplet: MachineSpec, command: str) -> tuple[int, str]:
    return cloud.sh(droplet.public_address, f"bash -c '{command}' 2>&1")


def test_it_cannot_change_the_settings_of_the_kernel(cloud: Cloud, droplet: MachineSpec) -> None:
    files = [file for name in SETTINGS if (file := Path("/proc/sys", name)).exists()]
    before = [file.read_text() for file in files]
    for file in files:
        ways = f"echo 7 >{file}; mount -o remount,rw /proc/sys; umount /proc/sys; echo 7 >{file}"
        shell(
            cloud,
            droplet,
            f"{ways}; mkdir -p /p; mount -t proc proc /p; echo 7 >/p/sys/{file.relative_to('/proc/sys')}",
        )
    assert [file.read_text() for file in files] == before


@pytest.mark.parametrize(
    "file",
    ["/proc/sysrq-trigger", "/sys/kernel/uevent_helper", "/sys/power/state", "/sys/module/kernel/parameters/panic"],
)
def test_it_cannot_write_to_the_kernels_files(cloud: Cloud, droplet: MachineSpec, file: str) -> None:
    assert shell(cloud, droplet, f"mount -o remount,rw /sys; echo h >{file}")[0] != 0
    assert (
        shell(cloud, droplet, f"mkdir -p /s; mount -t sysfs sysfs /s; echo h >{file.replace('/sys/', '/s/', 1)}")[0]
        != 0
    )


def test_it_cannot_leave_by_its_control_group(cloud: Cloud, droplet: MachineSpec) -> None:
    """A release agent would be run by the host, as root (CVE-2022-0492)."""
    for controller in ("memory", "pids", "rdma", "misc"):
        mount = f"mkdir -p /c && mount -t cgroup -o {controller} cgroup /c"
        assert shell(cloud, droplet, f"{mount} && echo /bin/true >/c/release_agent")[0] != 0
        assert shell(cloud, droplet, f'unshare -UrC bash -c "{mount} && echo /bin/true >/c/release_agent"')[0] != 0
    for group in cgroups.groups(f"{cloud.config.unit_prefix}{droplet.droplet_id}"):
        for limit in ("memory.max", "memory.limit_in_bytes", "pids.max", "cpu.max", "cpu.cfs_quota_us"):
            assert not (group / limit).exists() or (group / limit).stat().st_uid == 0


def test_it_has_no_device_of_the_host(cloud: Cloud, droplet: MachineSpec) -> None:
    disks = [tuple(map(int, path.read_text().split(":"))) for path in Path("/sys/class/block").glob("*/dev")]
    for kind, (major, minor) in [("c", MEMORY), ("c", MESSAGES), *(("b", disk) for disk in disks[:4])]:
        make = f"rm -f /dev/tried /root/tried; mknod /root/tried {kind} {major} {minor} && head -c1 /root/tried"
        assert shell(cloud, droplet, make)[0] != 0
    _, found = shell(
        cloud, droplet, "find /dev -xdev -type b; ls /dev/mem /dev/kmsg /dev/loop* /dev/mapper/* 2>/dev/null"
    )
    assert found == ""
    assert shell(cloud, droplet, "truncate -s 1M /root/file; losetup -f /root/file")[0] != 0
    assert "Operation not permitted" in shell(cloud, droplet, "dmesg")[1]


@pytest.mark.parametrize(
    "name, x86_64, aarch64, arguments",
    [
        ("init_module", 175, 105, "None, 0, b''"),
        ("finit_module", 313, 273, "os.open('/etc/hostname', os.O_RDONLY), b'', 0"),
        ("kexec_load", 246, 104, "0, 0, None, 0"),
        ("bpf", 321, 280, "0, ctypes.create_string_buffer(128), 128"),
        ("reboot", 169, 142, "0xfee1dead, 672274793, 0, None"),
        ("swapon", 167, 224, "b'/etc/hostname', 0"),
        ("acct", 163, 89, "b'/etc/hostname'"),
        ("settimeofday", 164, 170, "ctypes.create_string_buffer(16), None"),
    ],
)
def test_the_kernel_refuses_it(
    cloud: Cloud, droplet: MachineSpec, name: str, x86_64: int, aarch64: int, arguments: str
) -> None:
    """Modules, another kernel, BPF, and so on; `reboot` is tried with what would only forbid Ctrl-Alt-Del."""
    status, said = python(cloud, droplet, SYSTEM_CALL.format(x86_64=x86_64, aarch64=aarch64, arguments=arguments))
    assert status != 0
    assert said in ("errno 1", "errno 38", "errno 22" if name == "reboot" else "errno 1"), said


def test_it_does_not_see_the_hosts_processes(cloud: Cloud, droplet: MachineSpec) -> None:
    host = subprocess.Popen(["sleep", "60"], env={"MARKER": MARKER})
    try:
        assert shell(cloud, droplet, f"grep -ls {MARKER} /proc/[0-9]*/environ")[1] == ""
        assert host.poll() is None
    finally:
        host.kill()
        host.wait()


def test_it_does_not_reach_the_hosts_sockets(cloud: Cloud, droplet: MachineSpec) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{MARKER}")
        server.listen()
        assert MARKER in Path("/proc/net/unix").read_text()
        connect = f"import socket; socket.socket(socket.AF_UNIX).connect(chr(0) + '{MARKER}')"
        status, said = python(cloud, droplet, connect)
        assert status != 0 and "ConnectionRefusedError" in said
        assert shell(cloud, droplet, f"grep {MARKER} /proc/net/unix")[1] == ""


def test_it_does_not_reach_files_beyond_its_disk(cloud: Cloud, droplet: MachineSpec) -> None:
    secret = cloud.config.state / "secret"
    secret.write_text("secret")
    other = cloud.spec([cloud.base])
    try:
        for path in (secret, other.root, cloud.base, droplet.root):
            assert shell(cloud, droplet, f"ls -d {path}; ls -d /..{path}; ls -d /proc/1/root{path}")[0] != 0
        assert python(cloud, droplet, BY_HANDLE) == (1, "errno 1")
        layer = f"mount -t overlay o -o lowerdir={cloud.base},upperdir=/root,workdir=/tmp /mnt"
        assert shell(cloud, droplet, f"{layer} && ls /mnt/etc")[0] != 0
    finally:
        cloud.remove(other)
        secret.unlink()


def test_it_has_the_number_of_processes_of_its_size(cloud: Cloud, droplet: MachineSpec) -> None:
    needs_controller("pids")
    status, said = python(cloud, droplet, THREADS)
    assert status == 0
    assert 1000 < int(said.splitlines()[-1]) < droplet.memory_mb * 8
    assert cloud.sh(droplet.public_address, "true")[0] == 0, "and it is as well as before"


def test_it_has_as_many_control_groups_as_processes(cloud: Cloud, droplet: MachineSpec) -> None:
    if cgroups.systemd_is_init():
        pytest.skip("systemd has no such limit to give; there they count as memory")
    groups = f"/sys/fs/cgroup/tried{{1..{droplet.tasks + 1}}}"
    # Nobody could log in before they are gone: a session has a group of its own.
    _, said = shell(cloud, droplet, f"mkdir {groups}; rmdir /sys/fs/cgroup/tried*")
    assert "Resource temporarily unavailable" in said


@pytest.fixture(scope="module")
def neighbour(cloud: Cloud) -> Iterator[Cloud]:
    """Another cloud on this machine."""
    with own_settings("neighbour") as settings:
        config = Config.from_environment(settings)
        config.state.mkdir()
        network = Network(config)
        network.up()
        yield replace(cloud, config=config, disks=Disks(config), machines=Machines(config), network=network)
        teardown(config)


def test_two_clouds_do_not_meet(cloud: Cloud, droplet: MachineSpec, neighbour: Cloud) -> None:
    theirs = neighbour.boot()
    try:
        floating = next(neighbour.config.floating_addresses())
        neighbour.network.set_floating({floating: theirs.public_address})
        assert neighbour.sh(floating, "true")[0] == 0
        anchor = neighbour.config.anchor_address(theirs.public_address)
        for address in (theirs.public_address, floating, anchor, theirs.private_address, neighbour.config.gateway):
            assert cloud.sh(droplet.public_address, CONNECT.format(address, 22))[0] != 0, address
        for address in (droplet.public_address, cloud.config.gateway):
            assert neighbour.sh(theirs.public_address, CONNECT.format(address, 22))[0] != 0, address
    finally:
        neighbour.remove(theirs)


def test_it_sends_from_its_own_addresses_only(cloud: Cloud, droplet: MachineSpec) -> None:
    other = cloud.boot()
    third = cloud.config.public_network[-3]
    try:
        for source, arrives in ((droplet.public_address, True), (third, False), ("192.0.2.7", False)):
            with cloud.login(other.public_address) as client:
                _, out, _ = client.exec_command(f"timeout 2 python3 -c '{RECEIVE}'", timeout=20)
                assert out.readline().strip() == "up"
                assert python(cloud, droplet, SEND.format(source, other.public_address)) == (0, "")
                assert out.read().decode().strip() == (str(source) if arrives else "")
    finally:
        cloud.remove(other)


def test_it_takes_no_address_of_a_neighbour_on_the_private_network(cloud: Cloud, droplet: MachineSpec) -> None:
    """What it sends as a gateway, from another network, goes through."""
    other, third, gateway = cloud.boot(), cloud.config.vpc_range[-3], "192.0.2.7"
    private = cloud.config.interfaces(other.droplet_id)[1]
    try:
        for each in (droplet, other):
            cloud.sh(each.public_address, "cloud-init status --wait; ip route replace 192.0.2.0/24 dev eth1")
        with cloud.login(other.public_address) as client:
            _, out, _ = client.exec_command(f"timeout 30 python3 -c '{RECEIVE_TWO}'", timeout=60)
            assert out.readline().strip() == "up"
            for source in (third, gateway, droplet.private_address):
                assert python(cloud, droplet, SEND.format(source, other.private_address)) == (0, "")
            assert out.read().decode().split() == [gateway, str(droplet.private_address)]
        assert python(cloud, droplet, ANNOUNCE.format(third, other.private_address)) == (0, "")
        ask = f"ping -c1 -W1 {droplet.private_address} >/dev/null; ip neigh show dev eth1"
        _, neighbours = cloud.sh(other.public_address, ask)
        assert str(droplet.private_address) in neighbours and str(third) not in neighbours
        _, said = cloud.sh(other.public_address, "ping -c2 -W1 -I eth1 ff02::1")
        assert "DUP" not in said, "nobody but itself answers over IPv6"
    finally:
        cloud.remove(other)
    listed = subprocess.run(["nft", "list", "table", "netdev", cloud.config.table], capture_output=True, text=True)
    assert cloud.config.interfaces(droplet.droplet_id)[1] in listed.stdout and private not in listed.stdout


def test_a_snapshot_does_not_lead_what_is_written_to_it_out_of_it(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("the host's")
    planted = cloud.spec([cloud.base])
    shutil.rmtree(planted.root / "var/lib/cloud")
    (planted.root / "var/lib/cloud").symlink_to(tmp_path)
    (planted.root / "etc/resolv.conf").unlink()
    (planted.root / "etc/resolv.conf").symlink_to(tmp_path / "hosts")
    cloud.disks.unmount(planted.droplet_id)
    cloud.disks.snapshot(planted.droplet_id, "planted")
    made = cloud.spec([cloud.disks.layer("planted"), cloud.base])
    try:
        assert [path.name for path in tmp_path.iterdir()] == ["hosts"]
        assert (tmp_path / "hosts").read_text() == "the host's"
        assert (made.root / "var/lib/cloud/seed/nocloud/meta-data").is_file()
        assert not (made.root / "etc/resolv.conf").is_symlink()
    finally:
        cloud.remove(planted)
        cloud.remove(made)
        cloud.disks.delete_layer("planted")
