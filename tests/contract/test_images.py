"""Custom images from archives, and what can be done to images."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.contract.support import Api, Daemon
from tests.support import until

CACHE = Path("/var/cache/localocean/bases")
SHIFT = 524288


@pytest.fixture(autouse=True)
def emptied(clean: None) -> Iterator[None]:
    yield


@pytest.fixture
def archive(api: Api, tmp_path: Path) -> Path:
    """A root file system as it would come from outside: the base image, owned by an ordinary root."""
    until(lambda: api.get("/_localocean/health")["bases"]["debian-12-x64"] == "ready")
    base = next(path for path in sorted(CACHE.glob("debian-12-x64-r*"), reverse=True) if path.is_dir())
    maps = {}
    for kind in ("user", "group"):
        lines = [f"+{SHIFT + number} +{number}" for number in range(1000)]
        maps[kind] = tmp_path / kind
        maps[kind].write_text("".join(f"{line}\n" for line in lines))
    archive = tmp_path / "rootfs.tar.gz"
    options = [f"--owner-map={maps['user']}", f"--group-map={maps['group']}", "--use-compress-program=gzip -1"]
    subprocess.run(["tar", "-C", str(base), *options, "-cf", str(archive), "."], check=True)
    return archive


def order(api: Api, url: str, **more: Any) -> Any:
    fields = {"name": "mine", "url": url, "region": "nyc3", "distribution": "Debian", "tags": ["custom"], **more}
    image = api.call("POST", "/v2/images", fields, status=202)["image"]
    assert (image["status"], image["type"], image["public"]) == ("NEW", "custom", False)
    until(lambda: api.get(f"/v2/images/{image['id']}")["image"]["status"] not in ("NEW", "pending"))
    return api.get(f"/v2/images/{image['id']}")["image"]


def layers(daemon: Daemon) -> list[str]:
    folder = daemon.state / "layers"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_droplet_of_a_custom_image(api: Api, daemon: Daemon, archive: Path) -> None:
    image = order(api, f"file://{archive}")
    assert (image["status"], image["error_message"], image["tags"]) == ("available", "", ["custom"])
    assert image["min_disk_size"] == 1 and image["size_gigabytes"] > 0.1
    droplet = api.droplet(image=image["id"])
    assert droplet["image"]["distribution"] == "Debian"
    command = ("shell", str(droplet["id"]), "--", "stat", "-c", "%u:%g", "/usr/bin")
    assert until(lambda: daemon.run(*command, check=False).stdout) == "0:0\n"
    assert "not a snapshot" in api.call("GET", f"/v2/snapshots/{image['id']}", status=400)["message"]
    assert "not a snapshot" in api.call("DELETE", f"/v2/snapshots/{image['id']}", status=400)["message"]
    daemon.run("shell", str(droplet["id"]), "--", "touch", "/root/state")
    api.act(droplet["id"], "rebuild", image=image["id"])
    daemon.run("shell", str(droplet["id"]), "--", "test", "!", "-e", "/root/state")
    api.act(droplet["id"], "power_off")
    api.act(droplet["id"], "snapshot", name="of it")
    api.delete_droplet(droplet["id"])
    api.call("DELETE", f"/v2/images/{image['id']}", status=204)
    gone = api.get(f"/v2/images/{image['id']}")["image"]
    assert gone["status"] == "deleted"
    assert "already deleted" in api.call("DELETE", f"/v2/images/{image['id']}", status=422)["message"]
    (snapshot,) = api.get("/v2/snapshots")["snapshots"]
    assert len(layers(daemon)) == 2, "the snapshot stands on the image"
    api.call("DELETE", f"/v2/snapshots/{snapshot['id']}", status=204)
    assert until(lambda: layers(daemon) == [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"QFI\xfb" + bytes(600), "Disk images (qcow2) are not supported."),
        (bytes(1024), "Disk images (raw or unknown) are not supported."),
        (b"\x1f\x8bdamaged", "damaged"),
        (b"", "Disk images"),
    ],
)
def test_what_is_no_archive_is_an_error_without_residue(
    api: Api, daemon: Daemon, tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "image"
    path.write_bytes(content)
    image = order(api, f"file://{path}")
    assert image["status"] == "deleted" and said in image["error_message"]
    assert api.get("/v2/images?private=true")["images"] == []
    assert layers(daemon) == []


def test_an_archive_without_an_init_is_an_error(api: Api, daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    subprocess.run(["tar", "-C", str(tmp_path), "-cf", str(tmp_path / "a.tar"), "file"], check=True)
    assert "no init" in order(api, f"file://{tmp_path / 'a.tar'}")["error_message"]
    assert layers(daemon) == []


@pytest.mark.parametrize("url", ["file:///none", "file:///etc", "file:///dev/zero", "http://127.0.0.1:1/x"])
def test_what_cannot_be_fetched_says_so(api: Api, url: str) -> None:
    assert "could not be fetched" in order(api, url)["error_message"]


@pytest.mark.parametrize(
    "fields",
    [
        *({"name": ""}, {"url": "ftp://x/y"}, {"url": ""}, {"url": "http://[::1"}, {"region": "mars1"}),
        {"distribution": "BeOS"},
    ],
)
def test_what_cannot_be_is_refused(api: Api, fields: dict[str, str]) -> None:
    wanted = {"name": "mine", "url": "file:///x", "region": "nyc3", **fields}
    api.call("POST", "/v2/images", wanted, status=422)
    assert api.get("/v2/images?private=true")["images"] == []


def test_an_image_is_for_the_regions_it_was_transferred_to(api: Api) -> None:
    droplet = api.droplet()
    api.act(droplet["id"], "power_off")
    api.act(droplet["id"], "snapshot", name="snap")
    (image,) = api.get("/v2/images?private=true")["images"]
    path, elsewhere = f"/v2/images/{image['id']}/actions", {"name": "x", "region": "fra1", "size": "s-1vcpu-1gb"}
    assert "region" in api.call("POST", "/v2/droplets", elsewhere | {"image": image["id"]}, status=422)["message"]
    action = api.call("POST", path, {"type": "transfer", "region": "fra1"}, status=201)["action"]
    assert (action["resource_type"], action["resource_id"]) == ("image", image["id"])
    assert api.finish(action)["status"] == "completed"
    assert api.get(f"{path}/{action['id']}")["action"]["status"] == "completed"
    assert api.get(f"/v2/images/{image['id']}")["image"]["regions"] == ["nyc3", "fra1"]
    assert api.droplet(**elsewhere, image=image["id"])["region"]["slug"] == "fra1"
    # Packer sends one order for each of its `snapshot_regions`, at once.
    with ThreadPoolExecutor() as pool:
        orders = [{"type": "transfer", "region": region} for region in ("ams3", "lon1", "sgp1")]
        begun = list(pool.map(lambda order: api.call("POST", path, order, status=201)["action"], orders))
    assert [api.finish(action)["status"] for action in begun] == ["completed"] * 3
    regions = api.get(f"/v2/images/{image['id']}")["image"]["regions"]
    assert regions[:2] == ["nyc3", "fra1"] and sorted(regions[2:]) == ["ams3", "lon1", "sgp1"]
    for wrong in ({"type": "transfer", "region": "fra1"}, {"type": "transfer"}, {"type": "convert"}, {"type": "x"}):
        api.call("POST", path, wrong, status=422)
    base = api.get("/v2/images/debian-12-x64")["image"]["id"]
    api.call("POST", f"/v2/images/{base}/actions", {"type": "transfer", "region": "fra1"}, status=403)
