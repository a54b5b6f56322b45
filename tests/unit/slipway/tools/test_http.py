"""Every request ends in time and within its length, and nothing of the environment has a say in it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import requests

from slipway.environment.reference import Release
from slipway.tools import http
from slipway.verification.app_client import AppClient, document
from tests.unit.slipway.sockets import Answer, Instant, drips, hangs_up, says, wire

OK = b"HTTP/1.1 200 OK\r\n"
ENDLESS = {
    "events at a steady pace": drips(OK + b"Content-Type: text/event-stream\r\n\r\n", b"data: x\n\n", 0.05),
    "a body byte by byte": drips(OK + b"Content-Length: 1000000\r\n\r\n", b"x", 0.05),
    "chunks without a last one": drips(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.05),
    "one chunk byte by byte": drips(OK + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n", b"x", 0.05),
    "headers without an end": drips(OK, b"x", 0.05),
    "a status line without an end": drips(b"H", b"T", 0.05),
    "silence": drips(b"", b"", 0.05),
}


@pytest.mark.parametrize("answer", ENDLESS.values(), ids=list(ENDLESS))
def test_an_answer_without_an_end_ends_at_the_deadline(answer: Answer) -> None:
    with wire(answer) as served, http.Session(0.4) as session:
        start = time.monotonic()
        with pytest.raises(requests.Timeout, match="no end of the answer to GET"):
            session.get(f"http://127.0.0.1:{served.port}/")
        assert time.monotonic() - start < 3


def test_an_answer_that_is_too_long_is_not_read() -> None:
    with wire(drips(OK + b"\r\n", b"x" * 65536, 0.0)) as served, http.Session(20, 1 << 20) as session:
        with pytest.raises(http.TooLong):
            session.get(f"http://127.0.0.1:{served.port}/")


def test_redirects_end_at_the_deadline_too() -> None:
    with wire(says(302, Location="/again")) as served, http.Session(5) as session:
        with pytest.raises(requests.TooManyRedirects):
            session.get(f"http://127.0.0.1:{served.port}/")
        assert len(served.requests) == 6


def test_proxies_and_netrc_of_the_environment_mean_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("default login somebody password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with wire(says(200)) as served, http.Session(5) as session:
        assert session.get(f"http://127.0.0.1:{served.port}/", headers={"X-Mine": "1"}).ok
        assert b"authorization" not in served.requests[0].lower()


def test_it_is_known_whether_a_request_reached_anybody() -> None:
    with http.Session(2) as session, pytest.raises(requests.ConnectionError) as nobody:
        session.get("http://127.0.0.1:9/")
    with wire(hangs_up) as served, http.Session(2) as session, pytest.raises(requests.ConnectionError) as lost:
        session.get(f"http://127.0.0.1:{served.port}/")
    assert (http.was_not_sent(nobody.value), http.was_not_sent(lost.value)) == (True, False)


def release(port: int) -> Release:
    return Release("v2", "c0ffee", "app-v2", "s-1vcpu-1gb", "feed", {"PORT": str(port)})


def test_an_app_is_asked_until_its_release_answers() -> None:
    clock = Instant()
    with wire(hangs_up, says(503), says(200, b'{"release": "other"}'), says(200, b'{"release": "mine"}')) as served:
        client = AppClient.of(release(served.port), "127.0.0.1")
        assert [client.release() for _ in range(4)] == ["", "", "other", "mine"]
        assert not client.answers_as(release(served.port), 3, clock)
        assert clock.slept == [1.0, 1.0]


@pytest.mark.parametrize("body", [b"", b"[1]", b"[" * 200_000, b"\xff", b'{"release": 7}', b'{"release": null}'])
def test_an_app_that_answers_nonsense_is_no_release(body: bytes) -> None:
    with wire(says(200, body)) as served:
        client = AppClient.of(release(served.port), "127.0.0.1")
        assert client.release() == "" and not client.is_silent()
        assert document(client.ask("/")).get("release") in (None, 7)
