"""What every answer has: authentication, headers, error bodies, trailing slashes, pages."""

from __future__ import annotations

import pytest
import requests

from tests.contract.support import Api


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer ", "Basic abc", "Bearer \xe9"])
@pytest.mark.parametrize("path", ["/v2/account", "/v2/droplets/", "/v2/nonsense", "/_localocean/status"])
def test_a_missing_or_wrong_token_is_refused(api: Api, header: str | None, path: str) -> None:
    headers = {"Authorization": header.encode("latin-1")} if header else {}
    answer = requests.get(api.endpoint + path, headers=headers, timeout=10)
    assert answer.status_code == 401
    assert answer.json()["id"] == "unauthorized"
    assert answer.json()["message"] == "Unable to authenticate you."


def test_every_answer_has_rate_headers_and_a_request_id(api: Api) -> None:
    for path in ("/v2/account", "/v2/droplets/999999", "/v2/nonsense"):
        answer = api.send("GET", path)
        assert int(answer.headers["ratelimit-limit"]) == 5000
        assert 0 < int(answer.headers["ratelimit-remaining"]) < 5000
        assert int(answer.headers["ratelimit-reset"]) > 0
        assert answer.headers["content-type"] == "application/json"
        assert len(answer.headers["x-request-id"]) == 36
        if answer.status_code >= 400:
            assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/kubernetes/clusters"),
        ("POST", "/v2/domains"),
        ("PATCH", "/v2/droplets/1"),
        ("DELETE", "/v2/account"),
        ("POST", "/v2/load_balancers"),
        ("POST", "/v2/firewalls"),
        ("GET", "/v2/droplets/autoscale"),
        ("TRACE", "/v2/droplets"),
    ],
)
def test_what_is_not_there_names_itself(api: Api, method: str, path: str) -> None:
    error = api.call(method, path, {}, status=501)
    assert error["id"] == "not_implemented"
    assert f"{method} {path}" in error["message"]


def test_what_cannot_be_here_says_why(api: Api) -> None:
    for method, path in (("POST", "/v2/volumes"), ("GET", "/v2/volumes/1/actions")):
        message = api.call(method, path, {}, status=501)["message"]
        assert f"{method} {path}: a droplet is a container" in message


def test_a_missing_resource_is_told_in_digitaloceans_words(api: Api) -> None:
    for path in ("droplets/9999999", "images/none-such", "snapshots/5", "tags/none", "floating_ips/1.2.3.4"):
        error = api.call("GET", f"/v2/{path}", status=404)
        assert (error["id"], error["message"]) == (
            "not_found",
            "The resource you were accessing could not be found.",
        )


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"\xff"])
def test_a_body_that_cannot_be_read_is_a_bad_request(api: Api, body: bytes) -> None:
    answer = api.send("POST", "/v2/tags", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["id"] == "bad_request"


def test_trailing_slashes_are_served_directly(api: Api) -> None:
    for path in ("droplets/", "regions/", "sizes/", "account/keys/", "floating_ips/", "snapshots/", "images/"):
        assert api.send("GET", f"/v2/{path}", allow_redirects=False).status_code == 200
    assert api.call("POST", "/v2/tags/", {"name": "slash"}, status=201)["tag"]["name"] == "slash"
    api.call("DELETE", "/v2/tags/slash/", {}, status=204)


def test_an_empty_answer_is_204_without_a_body(api: Api, clean: None) -> None:
    api.call("POST", "/v2/tags", {"name": "gone"}, status=201)
    answer = api.send("DELETE", "/v2/tags/gone", json={})
    assert (answer.status_code, answer.content) == (204, b"")


def test_pages_are_linked_both_ways(api: Api, clean: None) -> None:
    for number in range(5):
        api.call("POST", "/v2/tags", {"name": f"tag{number}"}, status=201)
    first = api.get("/v2/tags?per_page=2")
    assert first["meta"] == {"total": 5}
    assert set(first["links"]["pages"]) == {"next", "last"}
    middle = api.send("GET", first["links"]["pages"]["next"].removeprefix(api.endpoint)).json()
    assert set(middle["links"]["pages"]) == {"first", "prev", "next", "last"}
    assert all(url.startswith(f"{api.endpoint}/v2/tags?page=") for url in middle["links"]["pages"].values())
    last = api.get("/v2/tags?page=3&per_page=2")
    assert set(last["links"]["pages"]) == {"first", "prev"}
    names = [tag["name"] for page in (first, middle, last) for tag in page["tags"]]
    assert names == [f"tag{number}" for number in range(5)]
    assert api.get("/v2/tags")["links"] == {}


def test_links_use_the_host_that_the_caller_used(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.token}", "Host": "cloud.example:1234"}
    answer = requests.get(f"{api.endpoint}/v2/regions?per_page=1", headers=headers, timeout=10)
    assert answer.json()["links"]["pages"]["next"].startswith("http://cloud.example:1234/v2/regions?page=2")


@pytest.mark.parametrize("query", ["page=0", "page=-1", "page=x", "per_page=0", "per_page=100000", "page=99999999999"])
def test_an_odd_page_is_no_error(api: Api, query: str) -> None:
    assert api.get(f"/v2/regions?{query}")["meta"]["total"] == 11


def test_a_rate_limit_is_kept_when_it_is_wanted(api: Api) -> None:
    def limit(text: str) -> None:
        api.call("PUT", "/_localocean/rate_limit", {"limit": text}, status=200)

    limit("3/100")
    try:
        answers = [api.send("GET", "/v2/account") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["99", "98", "97", "97"]
        assert (answers[3].json()["id"], answers[3].json()["message"]) == (
            "too_many_requests",
            "API Rate limit exceeded.",
        )
        assert 0 < int(answers[3].headers["retry-after"]) <= 60
        api.call("PUT", "/_localocean/rate_limit", {"limit": "much"}, status=422)
    finally:
        limit("off")
    assert api.send("GET", "/v2/account").headers["ratelimit-limit"] == "5000"
