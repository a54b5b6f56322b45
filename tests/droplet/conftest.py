"""One SSH connection to one droplet, for a pytest session of its own.

The tests of this room look at a droplet as an auditor (over SSH, as root) and as a user (over HTTP). The bake
runs `test_image.py` and `test_clean.py` before the snapshot is taken; verification runs `test_release.py`,
`test_http.py` and `test_app.py` before traffic moves. Without `--address` (or `BUILD_HOST`, which the bake sets) there
is nothing to look at, and nothing is collected.
"""

from __future__ import annotations

import json
import os
import select
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import testinfra.host

from tests.droplet.site import Site
from tests.droplet.target import Expected, StrictBackend, Target, TargetError


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("droplet")
    group.addoption("--address", default=os.environ.get("BUILD_HOST"), help="IPv4 address of the droplet")
    group.addoption("--port", type=int, default=int(os.environ.get("BUILD_PORT") or 22), help="its SSH port")
    group.addoption("--identity", metavar="FILE", help="private SSH key; else it is in BUILD_SSH_PRIVATE_KEY")
    group.addoption("--host-key", metavar="KEY", help="its public host key: ssh-ed25519 AAAA…")
    group.addoption("--expect", type=Path, metavar="FILE", help="JSON with what the droplet should be")
    group.addoption("--wait", type=float, default=60, metavar="SECONDS", help="for a droplet that is booting")
    group.addoption("--asking", type=Path, metavar="FILE", help="write there which test is running")
    group.addoption("--end-with", type=int, metavar="PID", help="end at once when this process has ended")
    group.addoption("--clean-script", default="/tmp/provisioning/clean.sh", metavar="PATH", help="on the droplet")


class Asking:
    """Writes down which test is running, for whoever ends this session at a deadline."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._file.write_text(nodeid)


def end_with(pid: int) -> None:
    """Wait for a process to end, and end this one: between the two stand programs that do not hand a kill on."""
    try:
        select.select([os.pidfd_open(pid)], [], [])
    except ProcessLookupError:  # it has ended already
        pass
    except OSError:  # a kernel before Linux 5.3 cannot tell
        return
    os._exit(1)


def pytest_configure(config: pytest.Config) -> None:
    if pid := config.getoption("--end-with", default=None):
        threading.Thread(target=end_with, args=(pid,), daemon=True).start()
    if file := config.getoption("--asking", default=None):
        config.pluginmanager.register(Asking(file))


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    return None if config.getoption("--address", default=None) else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Cleaning comes last, whatever the order on the command line: nothing else works after it."""
    items.sort(key=lambda item: item.path.name == "test_clean.py")


@pytest.fixture(scope="session")
def expected(pytestconfig: pytest.Config) -> Expected:
    """What `--expect` says."""
    path: Path | None = pytestconfig.getoption("--expect")
    if path is None:
        pytest.fail("--expect is not set: name the JSON file with what the droplet should be", pytrace=False)
    return Expected.parse(json.loads(path.read_text()))


@pytest.fixture(scope="session")
def site(pytestconfig: pytest.Config, expected: Expected) -> Site:
    """The app, as its users reach it."""
    return Site(pytestconfig.getoption("--address"), expected.contract)


@pytest.fixture(scope="session")
def target(pytestconfig: pytest.Config) -> Target:
    """Where `--address` and the others point."""
    option = pytestconfig.getoption
    if not option("--host-key"):
        pytest.fail("--host-key is not set: a host key is known beforehand, or it proves nothing", pytrace=False)
    private_key = os.environ.get("BUILD_SSH_PRIVATE_KEY")
    if not option("--identity") and not private_key:
        pytest.fail("--identity is not set: name the file with the private SSH key", pytrace=False)
    return Target(
        address=option("--address"),
        port=option("--port"),
        host_key=option("--host-key"),
        identity=option("--identity"),
        private_key=private_key,
        wait=option("--wait"),
    )


@pytest.fixture(scope="session")
def host(target: Target) -> Iterator[Any]:
    """The droplet, over one connection for the whole session."""
    backend = StrictBackend(target)
    try:
        client = backend.client
    except TargetError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    yield testinfra.host.Host(backend)
    client.close()
