"""What the host runs in a machine has no more than the machine, and brings nothing of the host's with it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from localocean.host import cgroups, enter
from localocean.host.errors import HostError
from localocean.host.machines import MachineSpec
from tests.support import needs_controller

from .conftest import Cloud
from .test_escape import SYSTEM_CALL

LIMITS = ("NoNewPrivs", "Seccomp", "Seccomp_filters", "CapBnd")
RIGHTS = ("CapInh", "CapPrm", "CapEff", "CapAmb")
NAMESPACES = ("user", "pid", "mnt", "net", "uts", "ipc", "cgroup")
# Whatever runs here and whose parent does not came in from the host: all that can be had of it by who is root here.
WATCH = """
import ctypes, os, signal, time
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
had, seen, end = set(), 0, time.monotonic() + {seconds}
while time.monotonic() < end:
    for name in os.listdir("/proc"):
        if not name.isdecimal() or name == "1":
            continue
        try:
            if open(f"/proc/{{name}}/stat").read().rpartition(")")[2].split()[1] != "0":
                continue
        except OSError:
            continue
        seen += 1
        for kind in ("exe", "root", "cwd", "ns/mnt"):
            try:
                had.add((kind, os.readlink(f"/proc/{{name}}/{{kind}}")))
            except OSError:
                pass
        for kind in ("environ", "mem", "maps"):
            try:
                if found := open(f"/proc/{{name}}/{{kind}}", "rb").read(9):
                    had.add((kind, found))
            except OSError:
                pass
        try:
            had.update(("fd", number) for number in os.listdir(f"/proc/{{name}}/fd"))
        except OSError:
            pass
        if libc.ptrace(PTRACE_ATTACH, int(name), 0, 0) == 0:
            had.add(("traced", name))
            libc.ptrace(PTRACE_DETACH, int(name), 0, 0)
        try:
            os.kill(int(name), signal.SIGSTOP)
            had.add(("stopped", name))
        except OSError:
            pass
print(sorted(map(str, had)), "seen" if seen else "unseen", flush=True)
"""
# A door like the manager's own, behind which somebody says whatever he likes.
IMPOSTOR = """
import os, socket, sys, time
door = "/run/systemd/private"
os.rename(door, door + ".kept")
if sys.argv[1] == "link":
    os.symlink("/run/dbus/system_bus_socket", door)
elif sys.argv[1] == "pipe":
    os.mkfifo(door)
elif sys.argv[1] != "nothing":
    server = socket.socket(socket.AF_UNIX)
    server.bind(door)
    server.listen()
    print("up", flush=True)
    peer, _ = server.accept()
    peer.recv(1 << 16)
    peer.sendall(eval(sys.argv[1]))
    time.sleep(1)
    sys.exit()
print("up", flush=True)
"""


@pytest.fixture
def unit(cloud: Cloud, droplet: MachineSpec) -> str:
    cloud.sh(droplet.public_address, "cloud-init status --wait")
    return f"{cloud.config.unit_prefix}{droplet.droplet_id}"


def test_words_go_in_and_what_they_say_comes_out(unit: str) -> None:
    words = ["$HOME", "${PATH}", "$$", "a b", "%n %h", r"\x20", "'\"", "ü", "", "x" * 10_000]
    assert enter.run(unit, ["printf", "%s|", *words]) == "".join(f"{word}|" for word in words)
    assert enter.run(unit, ["cat"], input="one\ntwo\n") == "one\ntwo\n"
    assert enter.run(unit, ["sh", "-c", "id -un; pwd; echo $HOME"]).split() == ["root", "/root", "/root"]
    many = enter.run(unit, ["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x"])
    assert many == "x" * 3_000_000


def test_what_fails_says_why(unit: str) -> None:
    with pytest.raises(HostError, match=r"^sh failed \(3\): why$"):
        enter.run(unit, ["sh", "-c", "echo why >&2; exit 3"])
    with pytest.raises(HostError, match=r"^none failed \(127\): "):
        enter.run(unit, ["none"])
    with pytest.raises(HostError, match=r"^sh failed \(137\)"):
        enter.run(unit, ["sh", "-c", "kill -9 $$"])
    with pytest.raises(HostError, match="did not end within 0.5 seconds"):
        enter.run(unit, ["sh", "-c", "sleep 4711 & sleep 4711"], timeout=0.5)
    with pytest.raises(HostError, match="pgrep failed"):
        enter.run(unit, ["pgrep", "-f", "^sleep 4711"])


def test_files_are_poured_through_it(unit: str, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(5_000_000))
    enter.run_to_file(unit, ["cat"], source=source, target=target, timeout=30)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_mode & 0o777 == 0o600


def test_it_has_what_a_service_of_the_machine_has(unit: str) -> None:
    """Of the machine's own process 1 every service is a child, and none has more."""
    said = [enter.run(unit, ["cat", f"/proc/{who}/status"]) for who in ("self", "1")]
    ours, its = (dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line) for text in said)
    for name in LIMITS:
        assert ours[name] == its[name], name
    for name in RIGHTS:
        assert int(ours[name], 16) & ~int(its[name], 16) == 0, name
    assert ours["Seccomp"] == "2" and ours["PPid"] == "1"
    assert int(ours["CapBnd"], 16) != (1 << 41) - 1
    assert "/system.slice/localocean-" in enter.run(unit, ["cat", "/proc/self/cgroup"])
    same = "for name in {}; do [ /proc/1/ns/$name -ef /proc/self/ns/$name ] || echo $name; done"
    assert enter.run(unit, ["bash", "-c", same.format(" ".join(NAMESPACES))]) == ""
    assert enter.run(unit, ["cat", "/proc/self/uid_map"]) == enter.run(unit, ["cat", "/proc/1/uid_map"])


@pytest.mark.parametrize(
    "name, x86_64, aarch64, arguments",
    [
        ("add_key", 248, 217, "b'user', b'tried', b'x', 1, -2"),
        ("perf_event_open", 298, 241, "ctypes.create_string_buffer(128), 0, -1, -1, 0"),
        ("open_by_handle_at", 304, 265, "-100, ctypes.create_string_buffer(128), 0"),
        ("bpf", 321, 280, "0, ctypes.create_string_buffer(128), 128"),
        ("swapon", 167, 224, "b'/etc/hostname', 0"),
    ],
)
def test_the_filter_refuses_it(unit: str, name: str, x86_64: int, aarch64: int, arguments: str) -> None:
    program = SYSTEM_CALL.format(x86_64=x86_64, aarch64=aarch64, arguments=arguments)
    with pytest.raises(HostError, match=r"errno (1|38)$"):
        enter.run(unit, ["python3", "-c", program])


def test_it_counts_as_the_machines(cloud: Cloud, unit: str, droplet: MachineSpec) -> None:
    seen = set[int]()
    with running(unit, ["sleep", "4711"]):
        deadline = time.monotonic() + 10
        while not seen and time.monotonic() < deadline:
            seen = {pid for pid in cgroups.processes(unit) if command_line(pid) == ["sleep", "4711"]}
    assert len(seen) == 1


def test_its_memory_is_the_machines(cloud: Cloud) -> None:
    needs_controller("memory")
    spec = cloud.boot(memory_mb=256)
    try:
        eater = "x = bytearray(400 << 20); print(len(x))"
        name = f"{cloud.config.unit_prefix}{spec.droplet_id}"
        cloud.sh(spec.public_address, "true")
        with pytest.raises(HostError, match=r"python3 failed \(137\)"):
            enter.run(name, ["python3", "-c", eater])
        assert cloud.machines.is_running(spec.droplet_id)
        assert enter.run(name, ["echo", "well"]) == "well\n"
    finally:
        cloud.remove(spec)


def test_nothing_is_to_be_had_of_what_comes_in_from_the_host(unit: str) -> None:
    """Its process that knocks at the manager's door is seen, and neither traced, stopped nor looked into."""
    said: list[str] = []
    watch = ["python3", "-c", WATCH.format(seconds=6)]
    watcher = threading.Thread(target=lambda: said.append(enter.run(unit, watch)))
    watcher.start()
    while watcher.is_alive():
        enter.run(unit, ["true"])
    watcher.join()
    assert said == ["[] seen\n"]


def test_it_has_three_descriptors_and_none_is_the_hosts(unit: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with secret.open("r+b"):
        kinds = "[os.readlink(f'/proc/self/fd/{n}').split(':')[0] for n in range(3)]"
        look = f"import os; print({kinds}, os.path.exists('/proc/self/fd/4'))"
        assert enter.run(unit, ["python3", "-c", look]) == "['pipe', 'pipe', 'pipe'] False\n"
        enter.run_to_file(
            unit, ["sh", "-c", "readlink /proc/self/fd/0"], source=secret, target=tmp_path / "out", timeout=30
        )
    assert (tmp_path / "out").read_text().startswith("pipe:")


@pytest.mark.parametrize(
    "said",
    [
        "nothing",
        "link",
        "pipe",
        "b''",
        "b'REJECTED\\r\\n'",
        "b'OK 1\\r\\nAGREE_UNIX_FD\\r\\n' + b'l\\4\\0\\1' + bytes([255] * 12) + bytes(99999)",
        "b'OK 1\\r\\nAGREE_UNIX_FD\\r\\n' + b'l\\3\\0\\1' + bytes([9,0,0,0, 1,0,0,0, 9,0,0,0]) + b'v' * 99",
        "b'x' * (8 << 20)",
    ],
)
def test_a_manager_that_is_an_impostor_gets_nowhere(cloud: Cloud, unit: str, droplet: MachineSpec, said: str) -> None:
    restore = "rm -f /run/systemd/private && mv /run/systemd/private.kept /run/systemd/private"
    with cloud.login(droplet.public_address) as client:
        program = IMPOSTOR.replace('"', '\\"').replace("$", "\\$")
        argument = said.replace("\\", "\\\\").replace('"', '\\"')
        _, out, _ = client.exec_command(f'python3 -c "{program}" "{argument}"', timeout=30)
        assert out.readline() == "up\n"
        try:
            with pytest.raises(HostError, match="^The machine's manager does not answer: "):
                enter.run(unit, ["true"])
        finally:
            cloud.sh(droplet.public_address, restore)
    assert enter.run(unit, ["echo", "again"]) == "again\n"


def test_it_does_not_keep_the_machine_from_shutting_down(cloud: Cloud) -> None:
    spec = cloud.boot()
    name = f"{cloud.config.unit_prefix}{spec.droplet_id}"
    try:
        cloud.sh(spec.public_address, "cloud-init status --wait")
        stubborn = ["sh", "-c", "trap '' TERM HUP INT; while :; do sleep 1; done"]
        with running(name, ["bash", "--login"]), running(name, stubborn):
            begun = time.monotonic()
            assert cloud.machines.shutdown(spec.droplet_id)
            assert time.monotonic() - begun < 20
    finally:
        cloud.remove(spec)


def test_one_that_does_not_boot_is_entered_all_the_same(cloud: Cloud) -> None:
    """As in a recovery console."""
    spec = replace(cloud.spec([cloud.base]), boots=False)
    try:
        cloud.machines.start(spec)
        name, deadline = f"{cloud.config.unit_prefix}{spec.droplet_id}", time.monotonic() + 30
        while True:
            try:
                assert enter.run(name, ["systemctl", "is-active", "emergency.target"]) == "active\n"
                break
            except HostError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
    finally:
        cloud.remove(spec)


@contextmanager
def running(unit: str, words: list[str]) -> Iterator[None]:
    """Something that runs in the machine, with its input open, until the context ends."""
    with enter.piped(unit, words, alone=True) as (_, ours):
        try:
            yield
        finally:
            for descriptor in ours:
                os.close(descriptor)


def command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
    except OSError:
        return []
