"""Droplets over their whole life, as real machines."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.contract.support import SSH, Api, answers, public_address
from tests.support import until

ORDER = {"name": "test", "region": "nyc3", "size": "s-1vcpu-512mb-10gb", "image": "debian-12-x64"}


@pytest.fixture(autouse=True)
def _clean(clean: None) -> None:
    """Each test begins with nothing."""


def test_the_answer_to_an_order(api: Api) -> None:
    answer = api.call("POST", "/v2/droplets/", ORDER | {"region": "", "tags": ["b", "a"]}, status=202)
    droplet, (link,) = answer["droplet"], answer["links"]["actions"]
    assert (droplet["status"], droplet["locked"]) == ("new", True)
    assert droplet["networks"] == {"v4": [], "v6": []}
    assert droplet["region"]["slug"] == "nyc3"
    assert droplet["tags"] == ["b", "a"]
    assert (droplet["kernel"], droplet["snapshot_ids"], droplet["volume_ids"]) == (None, [], [])
    assert link["rel"] == "create"
    assert link["href"] == f"{api.endpoint}/v2/actions/{link['id']}"
    action = api.finish(link)
    assert (action["type"], action["status"], action["resource_id"]) == ("create", "completed", droplet["id"])
    assert action == api.get(f"/v2/droplets/{droplet['id']}/actions/{action['id']}")["action"]
    found = api.get(f"/v2/droplets/{droplet['id']}")["droplet"]
    assert (found["status"], found["locked"]) == ("active", False)
    assert {network["type"] for network in found["networks"]["v4"]} == {"public", "private"}


def test_a_droplet_can_be_entered_with_its_key_and_ran_its_user_data(api: Api, tmp_path: Path) -> None:
    identity = tmp_path / "key"
    user_data = "#!/bin/sh\necho made > /made\n"
    droplet = api.droplet(name="web-1", ssh_keys=[api.key(identity)["fingerprint"]], user_data=user_data)
    command = [*SSH, "-i", str(identity), f"root@{public_address(droplet)}"]
    wait = "cloud-init status --wait >/dev/null; hostname; cat /made"

    def entered() -> str:
        return subprocess.run([*command, wait], capture_output=True, text=True, timeout=60).stdout

    assert until(entered, 60) == "web-1\nmade\n"


def test_several_at_once_by_names_are_listed_and_deleted_by_tag(api: Api) -> None:
    several = {key: value for key, value in ORDER.items() if key != "name"} | {"names": ["a", "b"], "tags": ["t"]}
    answer = api.call("POST", "/v2/droplets", several, status=202)
    assert [droplet["name"] for droplet in answer["droplets"]] == ["a", "b"]
    assert len(answer["links"]["actions"]) == 2
    for link in answer["links"]["actions"]:
        assert api.finish(link)["status"] == "completed"
    assert api.get("/v2/droplets?tag_name=t")["meta"]["total"] == 2
    assert [droplet["name"] for droplet in api.get("/v2/droplets?name=b")["droplets"]] == ["b"]
    assert api.get("/v2/droplets?tag_name=other")["droplets"] == []
    assert api.get("/v2/tags/t")["tag"]["resources"]["droplets"]["count"] == 2
    api.call("DELETE", "/v2/droplets?tag_name=t", {}, status=204)
    until(lambda: api.get("/v2/droplets")["droplets"] == [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "none-such"}, "You specified an invalid image for Droplet creation."),
        ({"image": 5}, "You specified an invalid image for Droplet creation."),
        ({"size": "huge"}, "You specified an invalid size for Droplet creation."),
        ({"region": "moon1"}, "You specified an invalid region for Droplet creation."),
        ({"ssh_keys": [99999, "ab:cd"]}, "99999, ab:cd are invalid key identifiers for Droplet creation."),
        ({"name": ""}, "Name can't be blank"),
        ({"name": "under_score"}, "Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)"),
        ({"user_data": "x" * 65537}, "User data is too long (maximum is 65536 characters)"),
        ({"names": ["x"] * 11}, "You can only create 10 Droplets at a time."),
        ({"name": 5}, "name must be a string."),
        ({"ipv6": "perhaps"}, "ipv6 must be true or false."),
    ],
)
def test_a_bad_order_is_refused_in_digitaloceans_words(api: Api, change: dict[str, Any], message: str) -> None:
    error = api.call("POST", "/v2/droplets", ORDER | change, status=422)
    assert (error["id"], error["message"]) == ("unprocessable_entity", message)
    assert api.get("/v2/droplets")["meta"]["total"] == 0


def test_what_clients_send_without_meaning_it_is_accepted(api: Api) -> None:
    extra: dict[str, Any] = {"vpc_uuid": None, "volumes": [], "tags": None, "ssh_keys": [], "backups": False}
    image = api.get("/v2/images/debian-12-x64")["image"]["id"]
    order = extra | {"image": str(image), "ipv6": False, "monitoring": True, "private_networking": True}
    api.droplet(**order, with_droplet_agent=True)


def test_a_boolean_may_be_a_word(api: Api) -> None:
    order = ORDER | {"monitoring": "True", "backups": "false"}
    droplet = api.call("POST", "/v2/droplets", order, status=202)["droplet"]
    assert droplet["features"] == ["monitoring", "private_networking"]


@pytest.mark.parametrize("option", [{"volumes": [{"id": "x"}]}, {"public_networking": False}])
def test_what_it_cannot_do_is_not_promised(api: Api, option: dict[str, Any]) -> None:
    error = api.call("POST", "/v2/droplets", ORDER | option, status=501)
    assert next(iter(option)) in error["message"]


def test_power(api: Api) -> None:
    droplet = api.droplet()
    identifier, address = droplet["id"], public_address(droplet)
    path = f"/v2/droplets/{identifier}"
    until(lambda: answers(address), 30)

    def status() -> str:
        return str(api.get(path)["droplet"]["status"])

    api.act(identifier, "shutdown")
    assert (status(), answers(address)) == ("off", False)
    again = api.call("POST", f"{path}/actions", {"type": "shutdown"}, status=201)["action"]
    assert (again["status"], again["completed_at"] is None) == ("completed", False)
    assert not api.get(path)["droplet"]["locked"]
    error = api.call("POST", f"{path}/actions", {"type": "power_off"}, status=422)
    assert error["message"].startswith("Droplet is already powered off")
    api.act(identifier, "power_on")
    assert status() == "active"
    until(lambda: answers(address), 30)
    again = api.call("POST", f"{path}/actions", {"type": "power_on"}, status=201)["action"]
    assert (again["status"], status()) == ("completed", "active")
    api.act(identifier, "reboot")
    until(lambda: answers(address), 30)
    api.act(identifier, "power_cycle")
    until(lambda: answers(address), 30)
    api.act(identifier, "power_off")
    assert (status(), answers(address)) == ("off", False)
    types = [action["type"] for action in api.get(f"{path}/actions")["actions"]]
    assert types == ["power_off", "power_cycle", "reboot", "power_on", "power_on", "shutdown", "shutdown", "create"]


def test_other_actions(api: Api) -> None:
    droplet = api.droplet()
    path = f"/v2/droplets/{droplet['id']}"
    api.act(droplet["id"], "rename", name="new-name")
    assert api.get(path)["droplet"]["name"] == "new-name"
    api.call("POST", f"{path}/actions", {"type": "explode"}, status=422)
    api.call("POST", f"{path}/actions", {"type": "rename"}, status=422)
    api.call("POST", "/v2/droplets/99999/actions", {"type": "reboot"}, status=404)
    for name, key in (("backups", "backups"), ("kernels", "kernels"), ("neighbors", "droplets")):
        assert api.get(f"{path}/{name}")[key] == []


def test_a_snapshot_is_a_private_image_that_outlives_its_droplet_and_its_parents(api: Api) -> None:
    droplet = api.droplet()
    action = api.act(droplet["id"], "snapshot", name="app-v1")
    (image,) = api.get(f"/v2/droplets/{droplet['id']}/snapshots")["snapshots"]
    assert image["created_at"] == action["started_at"]
    assert (image["name"], image["public"], image["slug"], image["status"]) == ("app-v1", False, None, "available")
    assert image["regions"] == ["nyc3"]
    assert api.get("/v2/images?private=true")["images"] == [image]
    assert api.get(f"/v2/droplets/{droplet['id']}")["droplet"]["snapshot_ids"] == [image["id"]]
    snapshot = api.get(f"/v2/snapshots/{image['id']}")["snapshot"]
    assert (snapshot["id"], snapshot["resource_id"]) == (str(image["id"]), str(droplet["id"]))
    assert api.get("/v2/snapshots?resource_type=droplet")["snapshots"] == [snapshot]
    assert api.get("/v2/snapshots?resource_type=volume")["snapshots"] == []
    api.delete_droplet(droplet["id"])

    child = api.droplet(image=image["id"], size="s-1vcpu-512mb-10gb")
    api.act(child["id"], "snapshot", name="app-v2")
    (second,) = api.get(f"/v2/droplets/{child['id']}/snapshots")["snapshots"]
    api.call("DELETE", f"/v2/images/{image['id']}", {}, status=204)
    api.call("GET", f"/v2/images/{image['id']}", status=404)
    assert api.get(f"/v2/droplets/{child['id']}")["droplet"]["image"]["name"] == "app-v1"
    api.delete_droplet(child["id"])
    grandchild = api.droplet(image=second["id"])
    until(lambda: answers(public_address(grandchild)), 30)
    api.call("DELETE", f"/v2/snapshots/{second['id']}", {}, status=204)
    api.call("DELETE", f"/v2/snapshots/{second['id']}", {}, status=404)


def test_layers_that_nobody_needs_are_removed(api: Api) -> None:
    folder = Path(api.get("/_localocean/status")["state"]) / "layers"
    droplet = api.droplet()
    api.act(droplet["id"], "snapshot", name="one")
    assert len(list(folder.iterdir())) == 1
    (image,) = api.get(f"/v2/droplets/{droplet['id']}/snapshots")["snapshots"]
    api.call("DELETE", f"/v2/images/{image['id']}", status=204)
    assert list(folder.iterdir()) == []


def test_images_are_renamed_and_tagged(api: Api) -> None:
    droplet = api.droplet()
    api.act(droplet["id"], "snapshot", name="one")
    (image,) = api.get(f"/v2/droplets/{droplet['id']}/snapshots")["snapshots"]
    edited = api.call("PUT", f"/v2/images/{image['id']}", {"name": "two"}, status=200)["image"]
    assert edited == image | {"name": "two"}
    api.call("PUT", f"/v2/images/{image['id']}", {"distribution": "BeOS"}, status=422)
    api.call("POST", "/v2/tags", {"name": "v1"}, status=201)
    body = {"resources": [{"resource_id": str(image["id"]), "resource_type": "image"}]}
    api.call("POST", "/v2/tags/v1/resources", body, status=204)
    assert [found["tags"] for found in api.get("/v2/images?tag_name=v1")["images"]] == [["v1"]]
    assert [found["id"] for found in api.get("/v2/images?private=true&name=two")["images"]] == [image["id"]]


def test_a_droplet_that_powers_itself_off_is_off(api: Api) -> None:
    droplet = api.droplet(user_data="#!/bin/sh\nsystemctl poweroff\n")
    until(lambda: api.get(f"/v2/droplets/{droplet['id']}")["droplet"]["status"] == "off", 60)


def test_deleting_leaves_nothing(api: Api) -> None:
    state = Path(api.get("/_localocean/status")["state"])
    droplet = api.droplet()
    assert str(state) in Path("/proc/mounts").read_text()
    api.delete_droplet(droplet["id"])
    api.call("DELETE", f"/v2/droplets/{droplet['id']}", {}, status=404)
    assert str(state) not in Path("/proc/mounts").read_text()
    assert list((state / "disks").iterdir()) == []
