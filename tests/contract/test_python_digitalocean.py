"""python-digitalocean, unmodified, against the cloud."""

from __future__ import annotations

import digitalocean
import pytest

from tests.contract.support import Api
from tests.support import until

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG6MwVhGQUsPcQzUjJHVyD4mXzuhcGGCRLYpxQ0zFwFd me@example"


@pytest.fixture
def manager(api: Api, clean: None, monkeypatch: pytest.MonkeyPatch) -> digitalocean.Manager:
    monkeypatch.setenv("DIGITALOCEAN_END_POINT", f"{api.endpoint}/v2/")
    monkeypatch.setenv("DIGITALOCEAN_ACCESS_TOKEN", api.token)
    return digitalocean.Manager(token=api.token)


def test_the_whole_path_of_a_release(api: Api, manager: digitalocean.Manager) -> None:
    key = digitalocean.SSHKey(token=api.token, name="k", public_key=KEY)
    key.create()
    droplet = digitalocean.Droplet(
        token=api.token,
        name="web",
        region="nyc3",
        image="debian-12-x64",
        size_slug="s-1vcpu-512mb-10gb",
        ssh_keys=[key],
        tags=["web"],
    )
    droplet.create()
    assert droplet.get_actions()[0].wait(update_every_seconds=0.1, repeat=300)
    droplet.load()
    assert droplet.status == "active"
    assert droplet.ip_address and droplet.private_ip_address
    assert [found.id for found in manager.get_all_droplets(tag_name="web")] == [droplet.id]

    droplet.get_action(droplet.shutdown()["action"]["id"]).wait(update_every_seconds=0.1, repeat=300)
    droplet.get_action(droplet.take_snapshot("snap")["action"]["id"]).wait(update_every_seconds=0.1, repeat=300)
    (image,) = manager.get_my_images()
    assert (image.name, image.public) == ("snap", False)
    droplet.load()
    assert [snapshot.id for snapshot in droplet.get_snapshots()] == [image.id]
    assert [snapshot.id for snapshot in manager.get_droplet_snapshots()] == [str(image.id)]

    address = digitalocean.FloatingIP(token=api.token, region_slug="nyc3")
    address.reserve()
    address.assign(droplet.id)
    until(lambda: address.load().droplet)
    assert address.droplet["id"] == droplet.id
    until(lambda: not api.get(f"/v2/floating_ips/{address.ip}")["floating_ip"]["locked"])
    address.unassign()
    until(lambda: address.load().droplet is None)
    assert address.destroy()

    assert image.rename("renamed")
    assert image.destroy()
    assert droplet.destroy()
    assert key.destroy()
    until(lambda: manager.get_all_droplets() == [])


def test_errors_carry_the_message(api: Api, manager: digitalocean.Manager) -> None:
    with pytest.raises(digitalocean.NotFoundError):
        manager.get_droplet(999999)
    bad = digitalocean.Droplet(token=api.token, name="x", region="nyc3", image="none", size_slug="s-1vcpu-1gb")
    with pytest.raises(digitalocean.DataReadError, match="invalid image"):
        bad.create()


def test_paging_ends(api: Api, manager: digitalocean.Manager) -> None:
    for number in range(25):
        api.call("POST", "/v2/tags", {"name": f"t{number}"}, status=201)
    assert len(manager.get_all_tags()) == 25
    assert len(manager.get_all_regions()) == 11
    assert len(manager.get_all_sizes()) == 7
    assert manager.get_account().status == "active"
