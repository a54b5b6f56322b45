"""A local cloud for one test session: its own state, port, bridge and ranges, and nothing left of it afterwards."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# 198.18.0.0/15 (RFC 2544) holds 32 ranges of 4,096 addresses; the first belongs to the user's own cloud.
_SLOTS = range(1, 32)


@contextmanager
def own_cloud(name: str) -> Iterator[dict[str, str]]:
    """The environment that makes `localcloud` use a cloud of this test session; it is removed when the session ends."""
    with own_settings(name) as settings:
        try:
            yield settings
        finally:
            for verb in (["reset", "--yes"], ["down"]):
                argv = [sys.executable, "-m", "localcloud", *verb]
                subprocess.run(argv, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, check=False)


@contextmanager
def own_settings(name: str) -> Iterator[dict[str, str]]:
    """Settings that no other cloud of this machine has; the state directory is yet to be made, and goes at the end."""
    with _slot() as slot:
        # Not below /tmp, which may be a tmpfs, where droplets cannot live.
        folder = Path(tempfile.mkdtemp(prefix=f"localcloud-{name}-", dir="/var/tmp"))
        try:
            yield {
                "LOCALCLOUD_STATE": str(folder / "state"),
                "LOCALCLOUD_PORT": str(free_port()),
                "LOCALCLOUD_TLS_PORT": str(free_port()),
                "LOCALCLOUD_BRIDGE": f"lctest{slot}",
                "LOCALCLOUD_RANGE": f"198.{18 + slot // 16}.{slot % 16 * 16}.0/20",
                "LOCALCLOUD_VPC_RANGE": f"10.{200 + slot}.0.0/20",
            }
        finally:
            _remove(folder)


@contextmanager
def _slot() -> Iterator[int]:
    """A number that no other test session of this machine has now."""
    for slot in _SLOTS:
        with open(f"/tmp/localcloud-test-{slot}.lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield slot
            return
    raise RuntimeError("31 test sessions run here already")


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _remove(folder: Path) -> None:
    become = [] if os.geteuid() == 0 else ["sudo"]
    subprocess.run([*become, "rm", "--recursive", "--force", "--one-file-system", str(folder)], check=False)
    shutil.rmtree(folder, ignore_errors=True)
