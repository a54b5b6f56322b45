"""Which calls to the API are sent again, after what, for how long; and what is said when that did not help."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipway.config import Cloud
from slipway.errors import PipelineError
from slipway.tools.account import Account
from slipway.tools.digitalocean import API
from slipway.tools.rest import Patience, Rest
from tests.unit.slipway.sockets import Answer, Instant, Wire, drips, hangs_up, says, wire

KEY = json.dumps({"ssh_key": {"id": 7, "name": "n"}}).encode()
PASSING: dict[str, Answer] = {
    **{str(status): says(status) for status in (429, 500, 502, 503, 504)},
    "a lost answer": hangs_up,
    "a time-out": drips(b"", b"", 5),
}


def cloud(served: Wire) -> Cloud:
    return Cloud("local", f"http://127.0.0.1:{served.port}", "token")


def rest(served: Wire, clock: Instant) -> Rest:
    return Rest(cloud(served), clock=clock, patience=Patience(total=20, attempt=0.3))


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("failure", PASSING.values(), ids=list(PASSING))
def test_an_idempotent_call_is_sent_again(failure: Answer, method: str) -> None:
    clock = Instant()
    with wire(failure, failure, says(200)) as served:
        assert rest(served, clock).send(method, "droplets/7").status_code == 200
        assert len(served.requests) == 3
    first, second = clock.slept
    assert 0 < first < second < 2


@pytest.mark.parametrize("failure", [name for name in PASSING if name != "429"])
def test_another_call_is_not_sent_twice(failure: str) -> None:
    with wire(PASSING[failure], says(200)) as served:
        try:
            assert rest(served, Instant()).send("POST", "droplets", body={}).status_code >= 500
        except PipelineError as error:
            assert "does not answer" in error.message
        assert len(served.requests) == 1


def test_a_call_that_was_not_let_in_is_sent_again_whatever_it_is() -> None:
    clock = Instant()
    with wire(says(429, Retry_After="7"), says(201)) as served:
        assert rest(served, clock).send("POST", "droplets", body={}).status_code == 201
    assert clock.slept == [7.0]


def test_a_call_that_reached_nobody_is_sent_again_whatever_it_is() -> None:
    clock = Instant()
    client = Rest(Cloud("local", "http://127.0.0.1:9", "token"), clock=clock, patience=Patience(total=3))
    with pytest.raises(PipelineError, match="http://127.0.0.1:9 does not answer"):
        client.send("POST", "droplets", body={})
    assert len(clock.slept) > 2 and clock.time <= 3


def test_the_attempts_end_at_the_deadline_with_the_last_answer() -> None:
    clock = Instant()
    with wire(says(503)) as served:
        assert rest(served, clock).send("GET", "droplets").status_code == 503
        assert 4 < len(served.requests) < 20
    assert 14 < clock.time <= 20


def test_who_asks_for_more_patience_than_there_is_gets_no_second_call() -> None:
    clock = Instant()
    with wire(says(429, Retry_After="3600")) as served:
        assert rest(served, clock).send("GET", "droplets").status_code == 429
        assert len(served.requests) == 1 and clock.slept == []


def test_a_key_whose_answer_was_lost_is_not_an_error() -> None:
    taken = says(422, b'{"message": "SSH Key is already in use on your account"}')
    with wire(hangs_up, taken, says(200, KEY)) as served:
        account = Account(cloud(served))
        assert account.add_key("n", "ssh-ed25519 AAAA") is None
        found = account.key("aa:bb")
        assert found is not None and found.id == 7


def test_python_digitalocean_takes_nothing_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("DIGITALOCEAN_END_POINT", "no address")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with wire(says(200, b'{"droplets": []}'), says(204, b"")) as served:
        api = API(cloud(served))
        assert api.droplets("slipway") == []
        assert api.remove("droplets/7")
        assert all(b"Authorization: Bearer token" in each for each in served.requests)
        assert b"tag_name=slipway" in served.requests[0]


DROPLET = {
    "id": 7,
    "name": "n",
    "status": "active",
    "created_at": "2026-11-28T11:00:00Z",
    "size_slug": "s-1vcpu-1gb",
    "size": {"price_monthly": 6.0, "price_hourly": 0.00893},
    "networks": {"v4": [{"type": "private", "ip_address": "10.0.0.2"}, {"type": "public", "ip_address": "192.0.2.7"}]},
}
QUESTIONS: dict[str, tuple[Callable[[API], object], dict[str, Any]]] = {
    "images": (API.images, {"images": []}),
    "droplets": (API.droplets, {"droplets": [DROPLET]}),
    "droplet": (lambda api: api.droplet(7), {"droplet": DROPLET}),
    "keys": (API.keys, {"ssh_keys": []}),
    "sizes": (API.sizes, {"sizes": []}),
    "tags": (API.tags, {"tags": []}),
    "floating IPs": (API.floating_ips, {"floating_ips": []}),
    "target": (lambda api: api.floating_ip_target("192.0.2.1"), {"floating_ip": {"droplet": None}}),
    "clusters": (API.clusters, {"databases": []}),
    "failed actions": (lambda api: api.failed_actions(7), {"actions": []}),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_goes_by_the_one_client(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    question, document = QUESTIONS[name]
    monkeypatch.setenv("DIGITALOCEAN_END_POINT", "http://127.0.0.1:9/v2/")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with wire(says(503), says(200, json.dumps(document).encode())) as served:
        question(API(cloud(served)))
        assert len(served.requests) == 2


def test_a_droplet_is_read_as_the_api_gives_it() -> None:
    with wire(says(200, json.dumps({"droplet": DROPLET}).encode()), says(404)) as served:
        found = API(cloud(served)).droplet(7)
        assert found and (found.address, found.status, found.monthly) == ("192.0.2.7", "active", 6.0)
        assert API(cloud(served)).droplet(8) is None


def test_all_pages_of_a_list_are_fetched() -> None:
    def page(number: int, more: bool) -> Answer:
        following = {"links": {"pages": {"next": f"https://elsewhere.example/v2/tags?page={number + 1}"}}}
        tag = {"name": f"t{number}", "resources": {"count": number}}
        return says(200, json.dumps({"tags": [tag], **(following if more else {})}).encode())

    with wire(page(1, True), page(2, True), page(3, False)) as served:
        assert API(cloud(served)).tags() == {"t1": 1, "t2": 2, "t3": 3}
        assert b"page=3" in served.requests[2]


def test_an_assignment_is_sent_again() -> None:
    with wire(says(503), hangs_up, says(201, b'{"action": {}}')) as served:
        API(cloud(served)).point("192.0.2.1", 7)
        assert len(served.requests) == 3 and b'"droplet_id": 7' in served.requests[2].replace(b":7", b": 7")


def test_an_action_whose_answer_was_lost_is_found_and_not_begun_twice() -> None:
    none, pending = says(200, b'{"actions": []}'), says(422, b'{"message": "Droplet already has a pending event."}')
    begun = says(200, b'{"actions": [{"id": 5, "type": "power_on", "status": "in-progress"}]}')
    with wire(none, hangs_up, pending, begun) as served:
        API(cloud(served)).act(7, "power_on")
    with wire(none, pending, none) as served, pytest.raises(PipelineError, match="pending event"):
        API(cloud(served)).act(7, "power_on")


def test_a_key_of_a_bake_whose_answer_was_lost_is_found_by_its_name() -> None:
    taken = says(422, b'{"message": "SSH Key is already in use on your account"}')
    keys = says(200, b'{"ssh_keys": [{"id": 3, "name": "other"}, {"id": 7, "name": "slipway-run:x"}]}')
    with wire(hangs_up, taken, keys) as served:
        assert API(cloud(served)).add_key("slipway-run:x", "ssh-ed25519 AAAA") == 7


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b"[" * 200_000])
def test_an_answer_that_is_no_document_is_one_sentence(body: bytes) -> None:
    with wire(says(200, body)) as served, pytest.raises(PipelineError, match="an answer that is not JSON"):
        API(cloud(served)).tags()
