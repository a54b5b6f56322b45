"""Looking after a release that is live, against a real server on loopback."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from slipway.environment.reference import Release
from slipway.project import Limits
from slipway.traffic.prober import Pace, Prober
from slipway.traffic.watch import ReleaseUnhealthy, Watch
from slipway.verification.witness import Witness, Word


class Server(ThreadingHTTPServer):
    """A release that can stop being ready, or stop answering."""

    daemon_threads = True
    ready = True
    status = 200


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        health = self.path == "/health/ready"
        self.send_response((200 if self.server.ready else 503) if health else self.server.status)
        self.end_headers()
        self.wfile.write(json.dumps({"release": "v2"}).encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Droplet(Witness):
    """A second witness that says what it is told to; fine by default."""

    def __init__(self, against: str | None = "", restarts: int | None = 0, met: bool = True) -> None:
        self._against, self._restarts, self._met = against, restarts, met

    def word(self) -> Word:
        return {"": Word.FINE, None: Word.SILENT}.get(self._against, Word.UNWELL)

    def against(self, trouble: object) -> str | None:
        return self._against

    def restarts(self) -> int | None:
        return self._restarts

    def is_met_from_here(self) -> bool:
        return self._met


FINE = Droplet()
UNWELL = Droplet("it does not answer well")


SAID: list[str] = []


@contextmanager
def live() -> Iterator[tuple[Server, Release, Watch]]:
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        release = Release("v2", "c", "i", "s", "t", {"PORT": str(server.server_port)})
        with Prober("127.0.0.1", server.server_port, pace=Pace(interval=0.02, kept=0)) as prober:
            yield server, release, Watch(prober, "127.0.0.1", SAID.append)
        server.shutdown()


def test_a_good_release_is_watched_to_the_end() -> None:
    with live() as (_, release, watched):
        start = time.monotonic()
        watched.soak(release, 1.2, FINE)
        assert time.monotonic() - start >= 1.2
        watched.judge(release, Limits(max_lost=0), FINE)


def test_a_release_that_is_not_ready_any_more_is_unfit_before_the_time_is_over() -> None:
    with live() as (server, release, watched):
        server.ready = False
        with pytest.raises(ReleaseUnhealthy, match="it was not ready 3 times in a row.* on the droplet itself"):
            watched.soak(release, 30, UNWELL)


def test_a_release_whose_app_restarts_is_unfit() -> None:
    with live() as (_, release, watched), pytest.raises(ReleaseUnhealthy, match="its app restarted 2 times"):
        watched.soak(release, 30, Droplet(restarts=2))


def test_a_release_that_loses_requests_is_unfit() -> None:
    with live() as (server, release, watched):
        watched.began("move the floating IP")
        server.status = 500
        with pytest.raises(ReleaseUnhealthy, match=r"\d+ of \d+ requests were lost"):
            watched.soak(release, 30, UNWELL)
        with pytest.raises(ReleaseUnhealthy, match="while it took over"):
            watched.judge(release, Limits(max_lost=0), UNWELL)


def test_what_was_lost_before_the_address_moved_is_not_held_against_a_release_that_mends_it() -> None:
    strict = Limits(max_lost=0, max_gap=500)
    with live() as (server, release, watched):
        server.status = 500
        time.sleep(0.7)
        watched.judge(release, strict, FINE)
        server.status = 200
        time.sleep(0.3)
        watched.began("move the floating IP")
        time.sleep(0.5)
        watched.judge(release, strict, FINE)
        watched.soak(release, 1, FINE)


def test_a_release_that_only_this_machine_finds_unfit_keeps_its_traffic() -> None:
    with live() as (server, release, watched):
        watched.began("move the floating IP")
        server.ready = False
        SAID.clear()
        watched.soak(release, 4, Droplet(restarts=None))
        assert SAID and "the path from this machine is suspect" in SAID[0]


def test_a_droplet_that_cannot_be_asked_excuses_nobody() -> None:
    with live() as (server, release, watched):
        server.ready = False
        with pytest.raises(ReleaseUnhealthy, match="the droplet itself cannot be reached over SSH"):
            watched.soak(release, 30, Droplet(None, restarts=None))


def test_an_address_that_does_not_lead_to_its_droplet_is_no_excuse() -> None:
    with live() as (server, release, watched):
        server.server_close()
        server.shutdown()
        with pytest.raises(ReleaseUnhealthy, match="the address does not lead to its droplet"):
            watched.soak(release, 30, FINE)
        with pytest.raises(ReleaseUnhealthy, match="while it took over"):
            watched.began("move the floating IP")
            time.sleep(0.2)
            watched.judge(release, Limits(max_lost=0), FINE)


def test_what_a_broken_path_cost_is_not_the_release_s() -> None:
    with live() as (server, release, watched):
        server.server_close()
        server.shutdown()
        watched.began("move the floating IP")
        time.sleep(0.2)
        SAID.clear()
        watched.judge(release, Limits(max_lost=0), Droplet(met=False))
        assert "the path from this machine is suspect" in SAID[0]


def test_where_nothing_was_live_there_is_nothing_to_judge() -> None:
    release = Release("v1", "c", "i", "s", "t")
    Watch(None, "").soak(release, 30, Droplet(restarts=9))
    Watch(None, "").judge(release, Limits(max_lost=0, max_gap=1), UNWELL)
