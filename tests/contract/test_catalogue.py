"""Account, regions, sizes, base images, default VPCs and the default project."""

from __future__ import annotations

from tests.contract.support import Api


def test_account(api: Api) -> None:
    account = api.get("/v2/account")["account"]
    assert account["status"] == "active"
    assert account["droplet_limit"] > 0
    assert account["email_verified"] is True


def test_every_region_offers_every_size(api: Api) -> None:
    regions = api.get("/v2/regions?per_page=200")["regions"]
    sizes = api.get("/v2/sizes?per_page=200")["sizes"]
    assert {"nyc1", "nyc3", "ams3", "fra1"} <= {region["slug"] for region in regions}
    for region in regions:
        assert region["sizes"] == [size["slug"] for size in sizes]
        assert region["available"] is True
    small = next(size for size in sizes if size["slug"] == "s-1vcpu-1gb")
    assert (small["memory"], small["vcpus"], small["disk"]) == (1024, 1, 25)
    assert (small["price_monthly"], small["price_hourly"]) == (6.0, 0.00893)


def test_the_base_image_is_found_by_slug_and_by_id(api: Api) -> None:
    image = api.get("/v2/images/debian-12-x64")["image"]
    assert image == api.get(f"/v2/images/{image['id']}")["image"]
    assert (image["public"], image["type"], image["status"]) == (True, "snapshot", "available")
    assert image in api.get("/v2/images?type=distribution")["images"]
    assert api.get("/v2/images?type=application")["images"] == []


def test_the_base_image_is_nobodys_to_change(api: Api) -> None:
    identifier = api.get("/v2/images/debian-12-x64")["image"]["id"]
    api.call("PUT", f"/v2/images/{identifier}", {"name": "mine"}, status=403)
    api.call("DELETE", f"/v2/images/{identifier}", status=403)
    assert "not a snapshot" in api.call("DELETE", f"/v2/snapshots/{identifier}", status=400)["message"]


def test_there_is_one_default_vpc_per_region(api: Api) -> None:
    vpcs = api.get("/v2/vpcs?per_page=200")["vpcs"]
    assert sorted(vpc["region"] for vpc in vpcs if vpc["default"]) == sorted(
        region["slug"] for region in api.get("/v2/regions?per_page=200")["regions"]
    )
    assert api.get(f"/v2/vpcs/{vpcs[0]['id']}")["vpc"] == vpcs[0]


def test_the_default_project_holds_the_addresses(api: Api, clean: None) -> None:
    project = api.get("/v2/projects/default")["project"]
    assert project["is_default"] is True
    address = api.call("POST", "/v2/floating_ips", {"region": "nyc3"}, status=202)["floating_ip"]["ip"]
    resources = api.get(f"/v2/projects/{project['id']}/resources")["resources"]
    assert [resource["urn"] for resource in resources] == [f"do:floatingip:{address}"]
