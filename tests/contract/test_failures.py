"""What cannot be done ends as an errored action with its reason, and leaves nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.support import Api, Daemon, answers, public_address
from tests.contract.test_faults import ORDER
from tests.support import needs_loop_devices, own_settings, until

SIZE, FREE = 3 << 30, 64 << 10


@pytest.fixture(scope="module")
def small() -> Iterator[Daemon]:
    """A cloud whose state has a small file system of its own."""
    needs_loop_devices()
    with own_settings("small") as settings:
        daemon = Daemon(os.environ | settings)
        daemon.state.mkdir()
        disk = daemon.state.with_suffix(".disk")
        with disk.open("wb") as file:
            file.truncate(SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-m0", str(disk)], check=True)
        subprocess.run(["mount", "-o", "loop", str(disk), str(daemon.state)], check=True)
        try:
            yield daemon
        finally:
            daemon.run("reset", "--yes")
            subprocess.run(["umount", str(daemon.state)], check=True)
            disk.unlink()


def disks(daemon: Daemon, kind: str) -> list[str]:
    return sorted(path.name for path in (daemon.state / kind).glob("*"))


def test_a_full_disk(small: Daemon) -> None:
    started = small.up()
    api = Api(started["endpoint"], started["token"])
    with api.session:
        droplet = api.droplet(name="sound")
        until(lambda: answers(public_address(droplet)))
        small.run("shell", str(droplet["id"]), "--", "sh", "-c", "head -c 1M /dev/urandom >/payload; sync")
        api.act(droplet["id"], "shutdown")
        before = disks(small, "layers"), disks(small, "disks")
        filler = small.state / "filler"
        fill(filler)
        body = {"type": "snapshot", "name": "too much"}
        action = api.call("POST", f"/v2/droplets/{droplet['id']}/actions", body, status=201)["action"]
        assert api.finish(action)["status"] == "errored"
        assert "No space left on device" in api.reason(action)
        assert (disks(small, "layers"), disks(small, "disks")) == before
        refused = api.send("POST", "/v2/droplets", json=ORDER | {"name": "x", "user_data": "#" * 60_000})
        assert refused.status_code == 500
        assert refused.json()["message"] == "The records cannot be written: database or disk is full."
        assert [each["name"] for each in api.get("/v2/droplets")["droplets"]] == ["sound"]
        assert (disks(small, "layers"), disks(small, "disks")) == before
        filler.unlink()
        api.act(droplet["id"], "snapshot", name="fits")
        api.act(droplet["id"], "power_on")
        until(lambda: answers(public_address(droplet)))


def fill(path: Path) -> None:
    """Leave no more than a little room."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 24, 1 << 16, 1 << 12):
            block = b"\1" * size
            try:
                while file.write(block) == size:
                    pass
            except OSError:
                continue
        file.truncate(file.tell() - FREE)


@pytest.fixture
def snapshot(api: Api) -> Iterator[dict[str, Any]]:
    """An image, whose droplet is no more."""
    droplet = api.droplet(name="origin")
    api.act(droplet["id"], "power_off")
    api.act(droplet["id"], "snapshot", name="image")
    (image,) = api.get(f"/v2/droplets/{droplet['id']}/snapshots")["snapshots"]
    api.delete_droplet(droplet["id"])
    yield image
    api.clear()


def test_an_image_that_is_deleted_while_a_droplet_is_made_of_it(api: Api, snapshot: dict[str, Any]) -> None:
    """Its files stay for the droplet, as long as it needs them."""
    fault = api.fault(kind="action", type="create", effect="hang")
    answer = api.call("POST", "/v2/droplets", ORDER | {"name": "late", "image": snapshot["id"]}, status=202)
    api.call("DELETE", f"/v2/images/{snapshot['id']}", status=204)
    api.clear(fault)
    assert api.finish(answer["links"]["actions"][0])["status"] == "completed"
    droplet = api.get(f"/v2/droplets/{answer['droplet']['id']}")["droplet"]
    until(lambda: answers(public_address(droplet)))
    assert api.send("POST", "/v2/droplets", json=ORDER | {"name": "x", "image": snapshot["id"]}).status_code == 422
    api.delete_droplet(droplet["id"])


def test_an_image_whose_files_are_gone(daemon: Daemon, api: Api, snapshot: dict[str, Any]) -> None:
    before = disks(daemon, "disks")
    subprocess.run(["rm", "-rf", *map(str, (daemon.state / "layers").glob("*"))], check=True)
    answer = api.call("POST", "/v2/droplets", ORDER | {"name": "late", "image": snapshot["id"]}, status=202)
    (action,) = answer["links"]["actions"]
    assert api.finish(action)["status"] == "errored"
    assert "is missing" in api.reason(action)
    assert api.send("GET", f"/v2/droplets/{answer['droplet']['id']}").status_code == 404
    assert disks(daemon, "disks") == before
    api.call("DELETE", f"/v2/images/{snapshot['id']}", status=204)
