"""A local cloud of the test session's own: its state, port, bridge and ranges are nobody else's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.support import Api, Daemon, settings


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.host)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="a local cloud needs root"))


def _daemon(number: int) -> Iterator[Daemon]:
    # Not below /tmp, which may be a tmpfs, where droplets cannot live.
    daemon = Daemon(settings(Path(f"/var/lib/localcloud/test-{os.getpid()}-{number}"), os.getpid() + number))
    try:
        yield daemon
    finally:
        daemon.run("reset", "--yes")
        subprocess.run(["rm", "-rf", str(daemon.state)], check=True)


@pytest.fixture(scope="session")
def daemon() -> Iterator[Daemon]:
    """The session's cloud."""
    yield from _daemon(0)


@pytest.fixture
def other_daemon() -> Iterator[Daemon]:
    """A cloud for one test, to be started, killed and ended."""
    yield from _daemon(1)


@pytest.fixture(scope="session")
def api(daemon: Daemon) -> Iterator[Api]:
    started = daemon.up()
    api = Api(started["endpoint"], started["token"])
    with api.session:
        yield api


@pytest.fixture
def clean(api: Api) -> Iterator[None]:
    """Nothing in the cloud before and after."""
    api.call("POST", "/_localcloud/reset", status=204)
    yield
    api.call("POST", "/_localcloud/reset", status=204)
