"""A local cloud of the test session's own: its state, port, bridge and ranges are nobody else's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.contract.support import Api, Daemon
from tests.support import own_cloud


@contextmanager
def _daemon() -> Iterator[Daemon]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LOCALOCEAN_")}
    with own_cloud("contract") as settings:
        yield Daemon({**inherited, **settings})


@pytest.fixture(scope="session")
def daemon() -> Iterator[Daemon]:
    """The session's cloud."""
    with _daemon() as daemon:
        yield daemon


@pytest.fixture
def other_daemon() -> Iterator[Daemon]:
    """A cloud for one test, to be started, killed and ended."""
    with _daemon() as daemon:
        yield daemon


@pytest.fixture(scope="session")
def api(daemon: Daemon) -> Iterator[Api]:
    started = daemon.up()
    api = Api(started["endpoint"], started["token"])
    with api.session:
        yield api


@pytest.fixture
def clean(api: Api) -> Iterator[None]:
    """Nothing in the cloud before and after."""
    api.call("POST", "/_localocean/reset", status=204)
    yield
    api.call("POST", "/_localocean/reset", status=204)
