"""The prober against real servers on loopback: what it counts as lost, what not, and which release answered."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from slipway.traffic import metrics
from slipway.traffic.prober import Pace, Prober
from tests.support import until
from tests.unit.slipway.sockets import Answer, drips, says, wire

QUICK = Pace(interval=0.01, kept=2, kept_interval=0.02, patience=0.5)


class Server(ThreadingHTTPServer):
    """A release, whose answers and slowness can be changed while it is asked."""

    daemon_threads = True
    request_queue_size = 128
    release = "v1-a"
    status = 200
    delay = 0.0
    short = False


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    answered = False

    def do_GET(self) -> None:
        time.sleep(self.server.delay)
        if self.server.short and self.answered:
            self.close_connection = True
            return
        body = json.dumps({"release": self.server.release}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.answered = True

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def serving(port: int = 0) -> Iterator[Server]:
    with Server(("127.0.0.1", port), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def asked(prober: Prober, times: int) -> None:
    """Wait for so many answers more."""
    before = len(prober.samples)
    until(lambda: len(prober.samples) >= before + times)


def probing(server: Server) -> Prober:
    return Prober("127.0.0.1", server.server_port, pace=QUICK)


def test_a_change_of_release_without_a_loss_is_counted_by_release() -> None:
    with serving() as server, probing(server) as prober:
        asked(prober, 30)
        changed = prober.elapsed
        server.release = "v2-b"
        asked(prober, 30)
    found = metrics.figures(prober.samples)
    assert (found.lost, found.kept_lost, found.reopened, found.errors) == (0, 0, 0, {})
    assert set(found.answers) == {"v1-a", "v2-b"} and sum(found.answers.values()) == found.sent + found.kept_sent
    assert found.sent > 20 and found.kept_sent > 10
    assert found.changed_at is not None and abs(found.changed_at - changed) < 0.3
    assert 0 < found.longest_gap < 300 and found.during.p50 is not None


def test_a_status_that_is_no_answer_is_a_loss() -> None:
    with serving() as server, probing(server) as prober:
        asked(prober, 20)
        server.status = 503
        asked(prober, 40)
        server.status = 200
        asked(prober, 20)
    found = metrics.figures(prober.samples)
    assert found.lost > 5 and found.kept_lost > 2 and set(found.errors) == {"status 503"}
    assert found.longest_gap > 100


def test_an_outage_is_seen_as_long_as_it_is() -> None:
    with serving() as server:
        port = server.server_port
        with Prober("127.0.0.1", port, pace=QUICK) as prober:
            asked(prober, 20)
            server.shutdown()
            server.server_close()
            gone = prober.elapsed
            until(lambda: prober.elapsed - gone > 1)
            with serving(port):
                asked(prober, 30)
    found = metrics.figures(prober.samples)
    assert found.lost > 10 and "connection refused" in found.errors
    assert 800 < found.longest_gap < 3000  # a busy machine answers the last requests late


def test_a_kept_connection_that_is_ended_and_opened_anew_at_once_is_no_loss() -> None:
    with serving() as server, probing(server) as prober:
        asked(prober, 20)
        server.short = True
        asked(prober, 30)
    found = metrics.figures(prober.samples)
    assert found.reopened >= 2 and (found.lost, found.kept_lost) == (0, 0)


def test_who_accepts_and_says_nothing_is_a_loss_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as mute:
        start = time.monotonic()
        with Prober("127.0.0.1", mute.getsockname()[1], pace=QUICK) as prober:
            until(lambda: prober.elapsed > 0.2)
        assert time.monotonic() - start < 5
    found = metrics.figures(prober.samples)
    assert found.lost == found.sent > 5 and found.errors == {"no answer in time": found.sent + found.kept_sent}


def test_new_connections_do_not_wait_for_those_before() -> None:
    with serving() as server:
        server.delay = 0.3
        with probing(server) as prober:
            time.sleep(0.6)
    assert metrics.figures(prober.samples).sent > 6  # one after the other they would be two or three


NONSENSE: dict[str, Answer] = {
    "a body without an end": drips(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, 0.0),
    "headers without an end": drips(b"HTTP/1.1 200 OK\r\n", b"x" * 65536, 0.0),
    "a length beyond all bounds": says(200, b"{}", Content_Length="99999999999"),
    "a list": says(200, b"[1]"),
    "a nest": says(200, b"[" * 20_000),
    "no status": drips(b"HTTP/1.1\r\n\r\n", b"", 0.1),
}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=list(NONSENSE))
def test_whatever_answers_is_lost_and_the_prober_goes_on(answer: Answer) -> None:
    with wire(answer) as served, Prober("127.0.0.1", served.port, pace=QUICK) as prober:
        deadline = time.monotonic() + 10
        while len(prober.samples) < 20 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(prober.samples) >= 20 and all(sample.lost for sample in prober.samples)
