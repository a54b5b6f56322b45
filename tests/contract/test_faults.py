"""What is asked to go wrong goes wrong, so often as it was asked, and nothing else does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.contract.support import Api, answers, public_address
from tests.support import until

ORDER = {"region": "nyc3", "size": "s-1vcpu-512mb-10gb", "image": "debian-12-x64"}
PATH = "/_localocean/faults"


@pytest.fixture(autouse=True)
def no_faults(api: Api) -> Iterator[None]:
    yield
    api.clear()


def order(api: Api, name: str) -> tuple[int, Any]:
    answer = api.call("POST", "/v2/droplets", ORDER | {"name": name}, status=202)
    return answer["droplet"]["id"], answer["links"]["actions"][0]


@pytest.mark.parametrize(
    "status, id",
    [(429, "too_many_requests"), (500, "server_error"), (503, "service_unavailable"), (504, "gateway_timeout")],
)
def test_the_next_calls_of_a_kind_are_refused(api: Api, status: int, id: str) -> None:
    api.fault(kind="response", method="GET", path="/v2/si*", status=status, retry_after=3, count=2)
    assert api.send("GET", "/v2/regions").status_code == 200
    for _ in range(2):
        answer = api.send("GET", "/v2/sizes/")
        assert (answer.status_code, answer.json()["id"], answer.headers["retry-after"]) == (status, id, "3")
        assert set(answer.json()) == {"id", "message", "request_id"}
    assert api.send("GET", "/v2/sizes").status_code == 200
    assert api.get(PATH)["faults"] == []


def test_a_refused_call_has_done_nothing(api: Api) -> None:
    api.fault(kind="response", method="POST", path="/v2/tags", status=422)
    answer = api.send("POST", "/v2/tags", json={"name": "refused"})
    assert (answer.status_code, answer.json()["message"]) == (422, "Droplet already has a pending event.")
    assert "retry-after" not in answer.headers
    assert api.send("GET", "/v2/tags/refused").status_code == 404


def test_a_call_whose_answer_is_lost_has_done_what_it_should(api: Api) -> None:
    api.fault(kind="response", method="POST", path="/v2/tags", status=504, effect="late")
    assert api.send("POST", "/v2/tags", json={"name": "late"}).status_code == 504
    assert api.send("GET", "/v2/tags/late").status_code == 200
    api.call("DELETE", "/v2/tags/late", status=204)


def test_a_call_whose_connection_is_lost_has_done_what_it_should(api: Api) -> None:
    api.fault(kind="response", method="POST", path="/v2/tags", effect="lost")
    with pytest.raises(requests.ConnectionError):
        api.send("POST", "/v2/tags", json={"name": "lost"})
    assert api.send("GET", "/v2/tags/lost").status_code == 200
    api.call("DELETE", "/v2/tags/lost", status=204)


def test_a_call_that_is_met_with_silence_has_done_nothing(api: Api) -> None:
    api.fault(kind="response", method="POST", path="/v2/tags", effect="silent", seconds=1)
    start = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        api.send("POST", "/v2/tags", json={"name": "silent"})
    assert 0.9 < time.monotonic() - start < 10
    assert api.send("GET", "/v2/tags/silent").status_code == 404


def test_faults_are_listed_and_cleared(api: Api) -> None:
    lasting = api.fault(kind="response", path="/v2/account", status=500, count=None)
    other = api.fault(kind="move", effect="lost")
    assert [fault["id"] for fault in api.get(PATH)["faults"]] == [lasting["id"], other["id"]]
    for _ in range(3):
        assert api.send("GET", "/v2/account").status_code == 500
    api.clear(lasting)
    assert api.send("GET", "/v2/account").status_code == 200
    assert api.send("DELETE", f"{PATH}/{lasting['id']}").status_code == 404


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"kind": "weather"},
        {"kind": "response", "status": 418},
        {"kind": "response", "status": "500"},
        {"kind": "response", "status": 500, "effect": "lost"},
        {"kind": "response", "effect": "late"},
        {"kind": "response", "status": 500, "count": 0},
        {"kind": "action", "effect": "lost"},
        {"kind": "action", "effect": "error", "path": "/v2/account"},
        {"kind": "boot", "effect": "slow", "seconds": -1},
    ],
)
def test_what_makes_no_fault_is_refused(api: Api, fields: dict[str, Any]) -> None:
    assert api.send("POST", PATH, json=fields).status_code == 422
    assert api.get(PATH)["faults"] == []


def test_faults_are_beside_digitaloceans_api_and_need_the_token(api: Api) -> None:
    assert api.send("GET", PATH, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert api.send("GET", "/v2/faults").status_code == 501


def test_a_droplet_that_cannot_be_made_leaves_nothing(api: Api) -> None:
    api.fault(kind="action", type="create", effect="error", reason="The hypervisor is on fire.")
    droplet_id, action = order(api, "burning")
    assert api.finish(action)["status"] == "errored"
    assert api.send("GET", f"/v2/droplets/{droplet_id}").status_code == 404
    errors = api.get("/_localocean/status")["errors"]
    assert any(error["resource_id"] == droplet_id and "on fire" in error["reason"] for error in errors)


def test_an_action_hangs_until_its_fault_is_cleared(api: Api) -> None:
    fault = api.fault(kind="action", type="rename", effect="hang")
    droplet = api.droplet(name="before")
    path = f"/v2/droplets/{droplet['id']}/actions"
    action = api.call("POST", path, {"type": "rename", "name": "after"}, status=201)["action"]
    assert api.send("POST", path, json={"type": "power_off"}).status_code == 422
    time.sleep(0.5)
    assert api.get(f"/v2/actions/{action['id']}")["action"]["status"] == "in-progress"
    api.clear(fault)
    assert api.finish(action)["status"] == "completed"
    assert api.get(f"/v2/droplets/{droplet['id']}")["droplet"]["name"] == "after"
    api.delete_droplet(droplet["id"])


def test_droplets_boot_slowly_or_never(api: Api) -> None:
    api.fault(kind="boot", name="ne*", effect="never")
    api.fault(kind="boot", name="slow", effect="slow", seconds=8)
    began = time.monotonic()
    never, slow, sound = (api.droplet(name=name) for name in ("never", "slow", "sound"))
    until(lambda: answers(public_address(sound)))
    until(lambda: answers(public_address(slow)), 60)
    assert time.monotonic() - began > 8
    assert not answers(public_address(never))
    api.act(never["id"], "power_cycle")
    until(lambda: answers(public_address(never)), 60)
    for droplet in (never, slow, sound):
        api.delete_droplet(droplet["id"])


def test_a_droplet_loses_its_network(api: Api) -> None:
    droplet = api.droplet(name="lost")
    until(lambda: answers(public_address(droplet)))
    fault = api.fault(kind="network", effect="lost", droplet_id=droplet["id"])
    assert not answers(public_address(droplet))
    assert api.get(f"/v2/droplets/{droplet['id']}")["droplet"]["status"] == "active"
    api.clear(fault)
    until(lambda: answers(public_address(droplet)), 10)
    assert api.send("POST", PATH, json={"kind": "network", "effect": "lost", "droplet_id": 1}).status_code == 404
    api.delete_droplet(droplet["id"])


def test_the_move_of_a_floating_ip_is_lost(api: Api) -> None:
    droplet = api.droplet(name="target")
    until(lambda: answers(public_address(droplet)))
    address = api.call("POST", "/v2/floating_ips", {"region": "nyc3"}, status=202)["floating_ip"]["ip"]
    move = {"type": "assign", "droplet_id": droplet["id"]}
    api.fault(kind="move", effect="lost", address=address)
    for arrives in (False, True):
        action = api.call("POST", f"/v2/floating_ips/{address}/actions", move, status=201)["action"]
        assert api.finish(action)["status"] == "completed"
        assert api.get(f"/v2/floating_ips/{address}")["floating_ip"]["droplet"]["id"] == droplet["id"]
        if arrives:
            until(lambda: answers(address))
        else:
            assert not answers(address)
    api.call("DELETE", f"/v2/floating_ips/{address}", status=204)
    api.delete_droplet(droplet["id"])
