"""What suites and benchmarks share: a local cloud for one session, and what is watched while something else goes on."""

from __future__ import annotations

import fcntl
import http.client
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Self, TypeVar

import pytest

AS_ROOT = [] if os.geteuid() == 0 else ["sudo"]
"""What a command that needs root begins with."""

# 198.18.0.0/15 (RFC 2544) holds 32 ranges of 4,096 addresses; the first belongs to the user's own cloud.
_SLOTS = range(1, 32)

# Below the ports that Linux gives to outgoing connections: one of those on loopback keeps a server from its port.
_PORTS = range(20_000, 32_000)

T = TypeVar("T")

LOST_S = 10.0
"""Seconds after which a request is lost: one that a busy machine lets wait is late, and is answered sooner."""
PATIENCE_S = 180.0
"""How long a test waits for something that has to happen."""


@contextmanager
def own_cloud(name: str) -> Iterator[dict[str, str]]:
    """The environment that makes `localocean` use a cloud of this test session; it is removed when the session ends."""
    with own_settings(name) as settings:
        try:
            yield settings
        finally:
            for verb in (["reset", "--yes"], ["down"]):
                argv = [sys.executable, "-m", "localocean", *verb]
                subprocess.run(argv, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, check=False)


@contextmanager
def own_settings(name: str) -> Iterator[dict[str, str]]:
    """Settings that no other cloud of this machine has; the state directory is yet to be made, and goes at the end."""
    with _slot() as slot:
        # Not below /tmp, which may be a tmpfs, where droplets cannot live.
        folder = Path(tempfile.mkdtemp(prefix=f"localocean-{name}-", dir="/var/tmp"))
        try:
            yield {
                "LOCALOCEAN_STATE": str(folder / "state"),
                "LOCALOCEAN_PORT": str(_ports(slot)[0]),
                "LOCALOCEAN_TLS_PORT": str(_ports(slot)[1]),
                "LOCALOCEAN_BRIDGE": f"lctest{slot}",
                "LOCALOCEAN_RANGE": f"198.{18 + slot // 16}.{slot % 16 * 16}.0/20",
                "LOCALOCEAN_VPC_RANGE": f"10.{200 + slot}.0.0/20",
            }
        finally:
            _remove(folder)


@contextmanager
def _slot() -> Iterator[int]:
    """A number that no other test session of this machine has now."""
    for slot in _SLOTS:
        killed = Path(f"/sys/class/net/lctest{slot}").exists()  # a session that left its bridge
        if killed or not all(is_free(port) for port in _ports(slot)):
            continue
        with open(f"/tmp/localocean-test-{slot}.lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield slot
            return
    raise RuntimeError("31 test sessions run here already")


def has_loop_devices() -> bool:
    """Whether this machine can mount a file as a file system; without that, droplets' disks have no limit."""
    return subprocess.run([*AS_ROOT, "losetup", "--find"], capture_output=True, check=False).returncode == 0


def needs_loop_devices() -> None:
    """Skip the test on a machine without loop devices, as many containers are."""
    if not has_loop_devices():
        pytest.skip("this host has no loop devices")


def has_controller(name: str) -> bool:
    """Whether this machine limits and counts that (memory, cpu, pids), in either layout of control groups."""
    unified = Path("/sys/fs/cgroup/cgroup.controllers")
    found = set(unified.read_text().split() if unified.exists() else [])
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mounted = line.partition(" - ")[2].split()
        found |= set(mounted[-1].split(",")) if mounted[0] == "cgroup" else set()
    return name in found


def needs_controller(name: str) -> None:
    """Skip the test on a machine that has no such controller, as many containers have none."""
    if not has_controller(name):
        pytest.skip(f"this host has no {name} controller")


def _ports(slot: int) -> range:
    """The ports of a slot's cloud, for HTTP and HTTPS."""
    return _PORTS[2 * slot : 2 * slot + 2]


def free_port() -> int:
    """A port that nothing has now, no cloud of a test session will have, and no outgoing connection will get."""
    return next(port for port in random.sample(_PORTS[2 * _SLOTS.stop :], 1000) if is_free(port))


def is_free(port: int) -> bool:
    """Whether a server could have this port of the loopback address now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def until(condition: Callable[[], T | None], seconds: float = PATIENCE_S) -> T:
    """The first truthy answer. Fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)
    return found


class Repeating(ABC):
    """Something that a thread does again and again, for as long as the context is open."""

    interval: ClassVar[float]
    """Seconds from the end of one time to the beginning of the next."""

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._repeat, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(timeout=2 * LOST_S)

    def _repeat(self) -> None:
        while not self._over.is_set():
            self.once()
            self._over.wait(self.interval)

    @abstractmethod
    def once(self) -> None:
        """One time of it."""


UNANSWERED = (OSError, http.client.HTTPException, ValueError)
"""What a request to an app raises that is not answered, or not answered well."""


def get(address: str, path: str, seconds: float = LOST_S) -> bytes:
    """What port 80 of an address answers, over a connection of its own; raises OSError or HTTPException."""
    connection = http.client.HTTPConnection(address, 80, timeout=seconds)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise http.client.HTTPException(f"status {answer.status}")
        return body
    finally:
        connection.close()


def is_running(pid: int) -> bool:
    """Whether a process of this number is there, neither dead nor a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):  # the latter when it goes between being opened and being read
        return False


def nest(folder: Path, depth: int, name: str) -> None:
    """Directories of that name in one another, as deep as it is said; their path may be longer than any call takes."""
    inside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=inside)
        child = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=inside)
        os.close(inside)
        inside = child
    os.close(inside)


def _remove(folder: Path) -> None:
    subprocess.run([*AS_ROOT, "rm", "--recursive", "--force", "--one-file-system", str(folder)], check=False)
    shutil.rmtree(folder, ignore_errors=True)
