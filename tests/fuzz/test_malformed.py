"""What no client sends: broken bodies, wrong types, endless nesting, paths that try to get out, broken HTTP."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest
import requests

from localocean.api.app import ROWS
from tests.fuzz.conftest import TOKEN, Target
from tests.support import until

POSTS = ("/v2/droplets", "/v2/account/keys", "/v2/tags", "/v2/floating_ips", "/v2/images", "/v2/vpcs", "/v2/projects")
BROKEN = {
    "cut": b'{"name": "a"',
    "no JSON": b"<xml/>",
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "half a character": b'{"name": "\\ud800", "region": "nyc3"}',
    "half a character as it is": b'{"name": "\xed\xa0\x80", "purpose": "\xed\xa0\x80", "region": "nyc3"}',
    "half a character in UTF-16": '{"name": "a", "purpose": "\\ud800", "region": "nyc3"}'.encode("utf-16"),
    "no number": b'{"droplet_id": NaN, "name": Infinity}',
    "a huge number": b'{"droplet_id": ' + b"9" * 40 + b"}",
    "more digits than Python reads": b'{"droplet_id": ' + b"9" * 5000 + b"}",
    "a list": b"[]",
    "a word": b'"name"',
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a NUL": b'{"name": "a\\u0000b", "public_key": "\\u0000", "region": "\\u0000"}',
    "the same key twice": b'{"name": "a", "name": {"b": []}, "region": "", "region": []}',
    "empty keys": b'{"": "", "name": ""}',
}
WRONG: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**63 - 1, 4.0, 1e308, "", "\x00", "9" * 30, "9" * 5000, "http://[", "a" * 70_000),
    *([], [[]], {}, [{}], [None]),
)
# What an action takes depends on its type.
TYPES = {
    "/v2/droplets/{droplet}/actions": ("snapshot", "rename", "resize", "rebuild", "restore"),
    "/v2/images/{image}/actions": ("transfer", "convert"),
    "/v2/floating_ips/{ip}/actions": ("assign", "unassign"),
}
GOOD = {
    "name": "fuzz",
    "region": "nyc3",
    "size": "s-1vcpu-1gb",
    "image": "debian-12-x64",
    "public_key": "ssh-ed25519 AAAA",
    "url": "http://127.0.0.1:9/no.img",
    "distribution": "Debian",
    "ip_range": "10.0.0.0/24",
    "purpose": "fuzz",
    "type": "rename",
    "backups": True,
}
PATHS = (
    *("/v2/..", "/v2/../../etc/passwd", "/v2/droplets/..", "/v2/droplets/../account", "/v2//droplets", "//v2/droplets"),
    *("/v2/%2e%2e/%2e%2e/etc/passwd", "/v2/images/..%2f..%2fetc%2fpasswd", "/v2/droplets/%00", "/v2/tags/%00%ff%fe"),
    *("/v2/droplets/1%2factions", "/v2/droplets/%2e", "/v2/floating_ips/%2e%2e", "/v2/account/keys/%F0%9F%92%A9"),
    *("/v2/droplets/" + "9" * 18, "/v2/droplets/" + "9" * 5000, "/v2/tags/" + "a" * 20_000, "/v2/droplets/-1"),
    *("/v2/droplets/٣", "/v2/droplets/1e3", "/v2/droplets/0x1", "/v2/droplets/1;ls", "/v2/droplets/'--"),
    *("/v2/droplets?page=-1&per_page=1e9", "/v2/droplets?page=" + "9" * 400, "/v2/droplets?page=%00&tag_name=%ff"),
    *("/v2/images?private=maybe&type=%00&name=%ED%A0%80", "/v2/actions/" + "9" * 19, "/_localocean/../v2/droplets"),
    *("/_localocean/droplets/..%2f..%2f/login", "/_localocean/", "/", "/v2", "/v2/", "/v1/droplets"),
)


def fine(answer: requests.Response) -> requests.Response:
    """The answer, which must be one of ours, and no failure of the server."""
    assert answer.status_code < 500 or answer.status_code == 501, answer.text
    assert "Traceback" not in answer.text and 'File "' not in answer.text
    if answer.status_code >= 400:
        more = {"error", "root_causes"} if answer.status_code == 400 else set()
        assert set(answer.json()) == {"id", "message", "request_id"} | more
    return answer


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_broken_body_is_refused(target: Target, path: str, body: bytes) -> None:
    before = target.state()
    answer = fine(target.call("POST", path, data=body, headers={"Content-Type": "application/json"}))
    if answer.status_code >= 400:
        assert target.state() == before


BODIES = {(row.method, row.path): row.body for row in ROWS if row.body}


@pytest.mark.parametrize("method, path", sorted(BODIES))
def test_a_field_of_a_wrong_type_is_refused(target: Target, method: str, path: str) -> None:
    known = target.furnish()
    where = path.format_map({name: values[0] for name, values in known.items()} | {"vpc": "1", "name": "fuzz"})
    described = BODIES[method, path].model_json_schema()
    fields, objects = described["properties"], described.get("$defs", {})
    usual = {name: value for name, value in GOOD.items() if name in fields}
    for type in TYPES.get(path, ("rename",)):
        for wrong in _wrong(fields, objects):
            before = target.state()
            body = usual | ({"type": type} if "type" in fields else {}) | wrong
            if fine(target.call(method, where, json=body)).status_code >= 400:
                assert target.state() == before, f"refused, but something changed: {type} {wrong}"


def _wrong(fields: Mapping[str, Any], objects: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each field with each wrong value, and so each field of an object that is a field."""
    for field, schema in fields.items():
        choices = (schema, *schema.get("anyOf", ()))
        kinds = [objects.get(each.get("$ref", "").rpartition("/")[2], each) for each in choices]
        kinds = [each for each in kinds if "properties" in each]
        inner = kinds[0]["properties"] if kinds else {}
        yield from ({field: value} for value in WRONG)
        yield from ({field: {name: value}} for name in inner for value in WRONG)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:40])
def test_a_path_leads_nowhere_else(target: Target, method: str, path: str) -> None:
    """As it stands, on the wire: a client would tidy it."""
    before = target.state()
    status, body = _raw(target, f"{method} {_ascii(path)} HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n")
    assert status in (200, 204, 400, 404, 405, 422, 501), body
    assert b"root:" not in body and b"Traceback" not in body
    assert target.state() == before


def test_a_body_that_is_cut_short_is_no_failure_of_the_server(target: Target, caplog: pytest.LogCaptureFixture) -> None:
    head = f"POST /v2/tags HTTP/1.1\r\nHost: fuzz\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 9\r\n\r\n"
    with caplog.at_level("INFO"):
        with socket.create_connection(("127.0.0.1", target.port), timeout=5) as connection:
            connection.sendall(f"{head}{{".encode())
        until(lambda: any("POST /v2/tags" in record.getMessage() for record in caplog.records))
    assert not [record for record in caplog.records if record.exc_info]


def test_a_huge_body_is_not_read_to_its_end(target: Target) -> None:
    before = target.state()
    parts = (b" " * 65536 for _ in range(1600))
    try:
        answer = target.call("POST", "/v2/droplets", data=parts, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
    except requests.ConnectionError:
        pass  # told while we were still talking
    assert target.state() == before
    assert target.call("GET", "/v2/account").status_code == 200


@pytest.mark.parametrize(
    "head",
    [
        "GET /v2/account HTTP/9.9\r\n",
        "GET  HTTP/1.1\r\n",
        "\x00\x01\x02\r\n",
        "GET /v2/account HTTP/1.1\r\nContent-Length: -5\r\n",
        "POST /v2/tags HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "GET /v2/account HTTP/1.1\r\nAuthorization: " + "a" * 200_000 + "\r\n",
        "GET /v2/account HTTP/1.1\r\nAuthorization: Bearer \xff\xfe\r\n",
        "GET /v2/account HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
        "POST /v2/tags HTTP/1.1\r\nAuthorization: Bearer "
        + TOKEN
        + "\r\nContent-Length: 0\r\nContent-Encoding: gzip\r\n",
    ],
    ids=lambda head: ascii(head[:60]),
)
def test_broken_http_is_refused(target: Target, head: str) -> None:
    before = target.state()
    status, body = _raw(target, head)
    assert status in (0, 400, 401, 422, 431), body
    assert b"Traceback" not in body
    assert target.state() == before
    assert target.call("GET", "/v2/account").status_code == 200


def test_without_token_no_path_tells_anything(target: Target) -> None:
    for path in PATHS:
        status, body = _raw(target, f"GET {_ascii(path)} HTTP/1.1\r\n")
        assert status == 401, body


def _ascii(path: str) -> str:
    return quote(path, safe="/%?=&;'")


def _raw(target: Target, head: str) -> tuple[int, bytes]:
    """Status and answer to exactly these bytes; status 0 when there is none."""
    with socket.create_connection(("127.0.0.1", target.port), timeout=5) as connection:
        try:
            connection.sendall(head.encode("latin-1") + b"Host: fuzz\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        except OSError:
            return 0, b""
    return (int(answer.split(b" ", 2)[1]), answer) if answer else (0, b"")
