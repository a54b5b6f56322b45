"""What fails for one droplet, image or layer happens to no other, and to nobody who asks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from localocean import cleanup
from localocean.config import Config
from localocean.engine import cloud as clouds
from localocean.engine import overview
from localocean.engine.cloud import Cloud
from localocean.engine.droplet_actions import Wish
from localocean.engine.droplets import Droplets
from localocean.engine.imports import ImageOrder
from localocean.host import orphans
from localocean.host.errors import HostError
from localocean.network import bridges
from localocean.store.records import ACTIVE, ERRORED, OFF
from tests.unit.localocean.conftest import settle
from tests.unit.localocean.droplets import ORDER, last_action, ready
from tests.unit.localocean.machines import Rooms

EVIL: tuple[Exception, ...] = (RecursionError("too deep"), HostError("The kernel refuses."), OSError(36, "too long"))
each_evil = pytest.mark.parametrize("evil", EVIL, ids=lambda evil: type(evil).__name__)


def fails_for(victim: int, evil: Exception) -> Callable[..., None]:
    def work(droplet_id: int, *_: object) -> None:
        if droplet_id == victim:
            raise evil

    return work


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clouds, "WATCH_SECONDS", 0.01)


@each_evil
def test_the_watcher_sees_the_others(
    watching: None, start: Callable[[], Cloud], rooms: Rooms, monkeypatch: pytest.MonkeyPatch, evil: Exception
) -> None:
    cloud = start()
    one, two, three = ready(cloud), ready(cloud), ready(cloud)
    monkeypatch.setattr(rooms, "trim_console", fails_for(one, evil), raising=False)
    monkeypatch.setattr(rooms, "kill", fails_for(two, evil))
    rooms.on -= {two, three}
    deadline = time.monotonic() + 5
    while cloud.droplets.record(three).status != OFF:
        assert time.monotonic() < deadline, "the third was not looked at"
        time.sleep(0.01)
    assert cloud.droplets.record(one).status == ACTIVE


@each_evil
def test_status_tells_the_sizes_of_the_others(
    cloud: Cloud, rooms: Rooms, monkeypatch: pytest.MonkeyPatch, evil: Exception
) -> None:
    one, two = ready(cloud), ready(cloud)

    def size(droplet_id: int) -> int:
        fails_for(one, evil)(droplet_id)
        return 7

    monkeypatch.setattr(rooms, "size", size)
    assert overview.usage(cloud)["droplets"] == {str(two): 7}
    assert [each["id"] for each in overview.status(cloud)["droplets"]] == [one, two]


@each_evil
def test_a_reset_removes_the_others(
    cloud: Cloud, rooms: Rooms, monkeypatch: pytest.MonkeyPatch, evil: Exception
) -> None:
    one, two = ready(cloud), ready(cloud)
    monkeypatch.setattr(rooms, "kill", fails_for(one, evil))
    cloud.reset()
    assert two not in rooms.disks and cloud.store.droplets.find() == []


@each_evil
def test_a_start_takes_up_the_others(
    start: Callable[[], Cloud], rooms: Rooms, monkeypatch: pytest.MonkeyPatch, evil: Exception
) -> None:
    cloud = start()
    one, two = ready(cloud), ready(cloud)
    cloud.stop()
    rooms.on.clear()
    boot_again = Droplets.boot_again

    def fail(self: Droplets, droplet_id: int) -> object:
        fails_for(one, evil)(droplet_id)
        return boot_again(self, droplet_id)

    monkeypatch.setattr(Droplets, "boot_again", fail)
    again = start()
    settle(again)
    assert rooms.on == {two}


@each_evil
def test_a_power_off_that_fails_ends_as_an_error(
    cloud: Cloud, rooms: Rooms, monkeypatch: pytest.MonkeyPatch, evil: Exception
) -> None:
    one = ready(cloud)
    monkeypatch.setattr(rooms, "kill", fails_for(one, evil))
    cloud.droplet_actions.act(one, Wish("power_off"))
    settle(cloud)
    assert last_action(cloud, "power_off")[0] == ERRORED


@each_evil
def test_an_undo_that_fails_ends_as_an_error(
    cloud: Cloud, rooms: Rooms, monkeypatch: pytest.MonkeyPatch, evil: Exception
) -> None:
    def fail(droplet_id: int) -> None:
        raise evil

    monkeypatch.setattr(rooms, "kill", fail)
    rooms.fail = "start"
    cloud.droplets.create(ORDER)
    settle(cloud)
    status, reason = last_action(cloud, "create")
    assert status == ERRORED and "start failed" in reason


@each_evil
def test_an_image_that_cannot_be_fetched_is_not_pending_for_ever(
    cloud: Cloud, rooms: Rooms, monkeypatch: pytest.MonkeyPatch, evil: Exception
) -> None:
    def fetch(url: str, layer_id: str, check: Callable[[], None]) -> int:
        raise evil

    monkeypatch.setattr(rooms, "fetch", fetch)
    made = cloud.custom_images.create(ImageOrder("deep", "http://192.0.2.1/a.tar", "nyc3"))
    settle(cloud)
    image = cloud.store.images.get(made.image.id)
    assert image and image.deleted and image.error


def test_the_end_of_a_cloud_is_the_end_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left is told in one sentence, when all else is gone."""
    done: list[str] = []

    class Machines:
        def __init__(self, config: Config) -> None:
            pass

        def known(self) -> set[int]:
            return {1, 2, 3}

        def kill(self, droplet_id: int) -> None:
            done.append(f"kill {droplet_id}")
            if droplet_id < 3:
                raise HostError("Droplet 1 does not end.") if droplet_id == 1 else OSError(36, "too long", "/group")

    class Disks:
        def __init__(self, config: Config) -> None:
            pass

        def mounted(self) -> set[int]:
            return {1, 2}

        def release(self, droplet_id: int) -> None:
            pass

        def unmount(self, droplet_id: int) -> None:
            done.append(f"unmount {droplet_id}")

    class Network:
        def __init__(self, config: Config) -> None:
            pass

        def down(self) -> None:
            done.append("down")

    for room in (Machines, Disks, Network):
        monkeypatch.setattr(cleanup, room.__name__, room)
    monkeypatch.setattr(orphans, "end", lambda: None)
    monkeypatch.setattr(bridges, "ours", lambda config, bridge: True)
    with pytest.raises(HostError, match=r"^Something of 2 machines is left: Droplet 1 does not end\.$"):
        cleanup.teardown(Config.from_environment({"LOCALOCEAN_STATE": str(tmp_path)}))
    assert done == ["kill 1", "kill 2", "kill 3", "unmount 1", "unmount 2", "down"]
