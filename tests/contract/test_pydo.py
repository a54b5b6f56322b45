"""pydo, DigitalOcean's own client, unmodified: over HTTPS, with the cloud's authority in REQUESTS_CA_BUNDLE."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pydo
import pytest
import requests
from azure.core.exceptions import HttpResponseError

from tests.contract.support import Api, Daemon
from tests.support import until

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG6MwVhGQUsPcQzUjJHVyD4mXzuhcGGCRLYpxQ0zFwFd me@example"
SMALL = {"region": "nyc3", "size": "s-1vcpu-512mb-10gb", "image": "debian-12-x64"}


@pytest.fixture
def https(daemon: Daemon, api: Api) -> Any:
    return daemon.up()["https"]


@pytest.fixture
def client(api: Api, clean: None, https: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", https["ca_bundle"])
    with pydo.Client(api.token, endpoint=https["endpoint"]) as client:
        yield client


def finish(client: Any, action: dict[str, Any]) -> None:
    def ended() -> bool:
        status = client.actions.get(action["id"])["action"]["status"]
        assert status != "errored"
        return bool(status == "completed")

    until(ended)


def new_droplet(client: Any, **more: Any) -> Any:
    answer = client.droplets.create(body={"name": "web", **SMALL, **more})
    finish(client, answer["links"]["actions"][0])
    return client.droplets.get(answer["droplet"]["id"])["droplet"]


def test_https_has_the_same_answers_and_its_own_links(api: Api, https: Any) -> None:
    headers = {"Authorization": f"Bearer {api.token}"}
    url = f"{https['endpoint']}/v2/regions?per_page=1"
    for authorities in (https["ca"], https["ca_bundle"]):
        answer = requests.get(url, headers=headers, verify=authorities, timeout=10)
        assert answer.json()["regions"] == api.get("/v2/regions?per_page=1")["regions"]
    assert answer.json()["links"]["pages"]["next"].startswith(f"{https['endpoint']}/v2/regions?page=2")
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(url, headers=headers, verify=ssl.get_default_verify_paths().cafile or True, timeout=10)


def test_the_exports_are_all_that_is_needed(daemon: Daemon, api: Api) -> None:
    script = (
        "import os, pydo; c = pydo.Client(os.environ['DIGITALOCEAN_TOKEN'],"
        " endpoint=os.environ['LOCALOCEAN_HTTPS_ENDPOINT']); print(c.account.get()['account']['status'])"
    )
    command = f'eval "$({sys.executable} -m localocean env)" && {sys.executable} -c "{script}"'
    done = subprocess.run(["sh", "-c", command], env=daemon.env, capture_output=True, text=True, timeout=60)
    assert done.stdout == "active\n", done.stderr


def test_account_and_catalogue(client: Any) -> None:
    assert client.account.get()["account"]["email_verified"] is True
    assert client.regions.list(per_page=200)["meta"]["total"] == 11
    assert "s-1vcpu-1gb" in {size["slug"] for size in client.sizes.list(per_page=200)["sizes"]}
    assert client.images.get("debian-12-x64")["image"]["public"] is True
    assert client.images.list(type="distribution")["images"]


def test_keys_and_tags(client: Any) -> None:
    key = client.ssh_keys.create(body={"name": "k", "public_key": KEY})["ssh_key"]
    assert client.ssh_keys.get(key["fingerprint"])["ssh_key"] == key
    assert client.ssh_keys.update(key["id"], body={"name": "n"})["ssh_key"]["name"] == "n"
    assert len(client.ssh_keys.list()["ssh_keys"]) == 1
    client.ssh_keys.delete(key["id"])
    client.tags.create(body={"name": "blue"})
    assert client.tags.get("blue")["tag"]["resources"]["count"] == 0
    assert [tag["name"] for tag in client.tags.list()["tags"]] == ["blue"]
    client.tags.delete("blue")


def test_a_droplet_and_all_around_it(client: Any) -> None:
    vpc = client.vpcs.create(body={"name": "backend", "region": "nyc3", "ip_range": "10.99.0.0/24"})["vpc"]
    droplet = new_droplet(client, vpc_uuid=vpc["id"], tags=["blue"])
    assert droplet["vpc_uuid"] == vpc["id"]
    assert client.droplets.list(tag_name="blue")["meta"]["total"] == 1
    assert client.vpcs.list_members(vpc["id"])["members"][0]["urn"] == f"do:droplet:{droplet['id']}"

    finish(client, client.droplet_actions.post(droplet["id"], body={"type": "power_off"})["action"])
    snapshot = client.droplet_actions.post(droplet["id"], body={"type": "snapshot", "name": "snap"})["action"]
    finish(client, snapshot)
    assert client.droplet_actions.get(droplet["id"], snapshot["id"])["action"]["status"] == "completed"
    assert client.droplet_actions.list(droplet["id"])["meta"]["total"] == 3
    (image,) = client.images.list(private=True)["images"]
    assert client.droplets.list_snapshots(droplet["id"])["snapshots"][0]["id"] == image["id"]
    assert client.snapshots.get(str(image["id"]))["snapshot"]["name"] == "snap"
    client.tags.assign_resources("blue", body=_resource(image["id"], "image"))
    assert client.images.list(tag_name="blue")["meta"]["total"] == 1
    client.tags.unassign_resources("blue", body=_resource(image["id"], "image"))
    finish(client, client.image_actions.post(image["id"], body={"type": "transfer", "region": "fra1"})["action"])
    assert client.image_actions.list(image["id"])["meta"]["total"] == 1
    renamed = client.images.update(image["id"], body={"name": "renamed"})["image"]
    assert (renamed["name"], renamed["regions"]) == ("renamed", ["nyc3", "fra1"])

    project = client.projects.create(body={"name": "p", "purpose": "tests"})["project"]
    urn = f"do:droplet:{droplet['id']}"
    put = client.projects.assign_resources(project["id"], body={"resources": [urn]})["resources"]
    assert [(each["urn"], each["status"]) for each in put] == [(urn, "assigned")]
    assert client.projects.list_resources(project["id"])["meta"]["total"] == 1
    assert client.projects.get_default()["project"]["is_default"] is True

    client.snapshots.delete(str(image["id"]))
    client.droplets.destroy(droplet["id"])
    until(lambda: client.droplets.list()["meta"]["total"] == 0)
    client.projects.delete(project["id"])
    client.vpcs.delete(vpc["id"])


def _resource(identifier: int, kind: str) -> dict[str, Any]:
    return {"resources": [{"resource_id": str(identifier), "resource_type": kind}]}


def test_addresses(client: Any) -> None:
    droplet = new_droplet(client)
    ip = client.reserved_ips.create(body={"region": "nyc3"})["reserved_ip"]["ip"]
    assigned = client.reserved_ips_actions.post(ip, body={"type": "assign", "droplet_id": droplet["id"]})["action"]
    finish(client, assigned)
    assert client.reserved_ips.get(ip)["reserved_ip"]["droplet"]["id"] == droplet["id"]
    assert client.reserved_ips_actions.get(ip, assigned["id"])["action"]["status"] == "completed"
    finish(client, client.reserved_ips_actions.post(ip, body={"type": "unassign"})["action"])
    assert client.reserved_ips.list()["reserved_ips"][0]["droplet"] is None
    client.reserved_ips.delete(ip)
    assert client.reserved_ips.list()["meta"]["total"] == 0


def test_what_is_refused_says_why(client: Any) -> None:
    with pytest.raises(HttpResponseError, match="invalid image"):
        client.droplets.create(body={"name": "x", **SMALL, "image": "none"})
