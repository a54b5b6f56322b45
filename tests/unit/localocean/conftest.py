"""A cloud over rooms that only remember."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localocean.config import Config
from localocean.engine import lifecycle
from localocean.engine.cloud import Cloud
from localocean.engine.databases import nodes
from localocean.store.records import IN_PROGRESS
from tests.unit.localocean.machines import Rooms


@pytest.fixture
def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rooms:
    monkeypatch.setattr(lifecycle, "write_seed", lambda root, seed: None)
    monkeypatch.setattr(nodes, "write_server", lambda root, spec: None)
    return Rooms(tmp_path)


@pytest.fixture
def start(rooms: Rooms, tmp_path: Path) -> Iterator[Callable[[], Cloud]]:
    """Starts a cloud on the same state each time it is called, as after a crash of the one before."""
    clouds: list[Cloud] = []

    def begin() -> Cloud:
        cloud = Cloud(Config.from_environment({"LOCALOCEAN_STATE": str(tmp_path)}), rooms.machinery())
        clouds.append(cloud)
        cloud.start()
        return cloud

    yield begin
    rooms.gate.set()
    rooms.fail = ""
    for cloud in clouds:
        cloud.stop()


@pytest.fixture
def cloud(start: Callable[[], Cloud]) -> Cloud:
    return start()


def settle(cloud: Cloud) -> None:
    """Wait until no action is in progress."""
    deadline = time.monotonic() + 10
    while cloud.store.actions.count("status = ?", IN_PROGRESS):
        assert time.monotonic() < deadline, "actions still in progress"
        time.sleep(0.005)
