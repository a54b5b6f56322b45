"""Floating and reserved IPs: two names of one store."""

from __future__ import annotations

import socket

import pytest

from tests.contract.support import Api, answers
from tests.support import until


@pytest.fixture(autouse=True)
def _clean(clean: None) -> None:
    """Each test begins with nothing."""


def reserve(api: Api, kind: str = "floating_ip") -> str:
    answer = api.call("POST", f"/v2/{kind}s", {"region": "nyc3"}, status=202)
    assert (answer[kind]["droplet"], answer[kind]["locked"]) == (None, False)
    return str(answer[kind]["ip"])


def test_both_names_show_the_same_address(api: Api) -> None:
    address = reserve(api, "reserved_ip")
    floating = api.get(f"/v2/floating_ips/{address}")["floating_ip"]
    assert floating == api.get(f"/v2/reserved_ips/{address}/")["reserved_ip"]
    assert api.get("/v2/floating_ips")["floating_ips"] == api.get("/v2/reserved_ips")["reserved_ips"]
    api.call("DELETE", f"/v2/floating_ips/{address}", {}, status=204)
    api.call("GET", f"/v2/reserved_ips/{address}", status=404)


def test_an_address_moves_between_droplets(api: Api) -> None:
    address = reserve(api)
    path = f"/v2/floating_ips/{address}"
    for name in ("one", "two"):
        droplet = api.droplet(name=name)
        body = {"type": "assign", "droplet_id": droplet["id"]}
        action = api.finish(api.call("POST", f"{path}/actions/", body, status=201)["action"])
        assert (action["status"], action["type"], action["resource_type"]) == ("completed", "assign_ip", "floating_ip")
        assert action == api.get(f"{path}/actions/{action['id']}")["action"]
        assert api.get(path)["floating_ip"]["droplet"]["name"] == name
        until(lambda: answers(address), 30)
    action = api.finish(api.call("POST", f"{path}/actions", {"type": "unassign"}, status=201)["action"])
    assert action["type"] == "unassign_ip"
    assert api.get(path)["floating_ip"]["droplet"] is None
    with pytest.raises(OSError, match="No route to host"):  # which it says at once, and does not let one wait
        socket.create_connection((address, 22), timeout=5)
    api.call("POST", f"{path}/actions", {"type": "unassign"}, status=422)


def test_an_address_of_a_deleted_droplet_points_nowhere(api: Api) -> None:
    droplet = api.droplet()
    answer = api.call("POST", "/v2/floating_ips", {"droplet_id": droplet["id"]}, status=202)
    assert answer["floating_ip"]["droplet"] is None
    assert answer["floating_ip"]["locked"] is True
    assert [link["rel"] for link in answer["links"]["actions"]] == ["assign_ip"]
    api.finish(answer["links"]["actions"][0])
    address = answer["floating_ip"]["ip"]
    assert api.get(f"/v2/floating_ips/{address}")["floating_ip"]["droplet"]["id"] == droplet["id"]
    api.delete_droplet(droplet["id"])
    assert api.get(f"/v2/floating_ips/{address}")["floating_ip"]["droplet"] is None
    api.call("POST", f"/v2/reserved_ips/{address}/actions", {"type": "unassign"}, status=422)


def test_what_cannot_be_assigned(api: Api) -> None:
    address = reserve(api)
    path = f"/v2/floating_ips/{address}/actions"
    for wrong in (99999, "9" * 30, "9" * 5000, True):
        api.call("POST", path, {"type": "assign", "droplet_id": wrong}, status=422)
    api.call("POST", path, {"type": "assign"}, status=422)
    api.call("POST", path, {"type": "explode"}, status=422)
    api.call("POST", "/v2/floating_ips", {"region": "moon1"}, status=422)
    api.call("POST", "/v2/floating_ips", {"region": ""}, status=422)
    elsewhere = api.droplet(region="fra1")
    api.call("POST", path, {"type": "assign", "droplet_id": elsewhere["id"]}, status=422)
