"""An answer of the API that is not as DigitalOcean's are ends in a sentence, whatever it is."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from slipway.config import Cloud
from slipway.errors import PipelineError
from slipway.tools.account import Account
from slipway.tools.digitalocean import API

ASKED: list[Callable[[API], object]] = [
    lambda api: api.images(),
    lambda api: api.droplets("slipway"),
    lambda api: api.failed_actions(1),
    lambda api: api.keys(),
    lambda api: api.sizes(),
    lambda api: api.tags(),
    lambda api: api.volumes(),
    lambda api: api.floating_ips(),
    lambda api: api.floating_ip_target("198.18.0.1"),
    lambda api: api.clusters(),
    lambda api: api.database_ca("c"),
    lambda api: api.trusted_sources("c"),
    lambda api: api.database_users("c"),
    lambda api: api.database_names("c"),
]
NAMES = [
    *("droplets", "images", "actions", "ssh_keys", "sizes", "tags", "volumes", "snapshots", "floating_ips"),
    *("floating_ip", "databases", "ca", "rules", "users", "dbs"),
]
ODD: list[Any] = [7, "x", [None], [7], [{}], {"droplet": 7}, [{"id": {}, "engine": "pg", "name": [], "status": None}]]


class Answers(BaseHTTPRequestHandler):
    body: bytes = b"{}"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to say."""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Cloud("local", f"http://127.0.0.1:{server.server_address[1]}", "token")
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_an_answer_of_another_shape_is_a_sentence(cloud: Cloud, odd: Any) -> None:
    Answers.body = json.dumps(dict.fromkeys(NAMES, odd)).encode()
    api = API(cloud)
    with pytest.raises(PipelineError, match="refused a key of the account"):
        Account(cloud).key(7)
    for number, ask in enumerate(ASKED):
        try:
            ask(api)
        except PipelineError as error:
            assert "not as DigitalOcean's are" in error.message or "refused" in error.message, (number, error)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff\xfe"])
def test_an_answer_that_is_no_object_is_a_sentence(cloud: Cloud, body: bytes) -> None:
    Answers.body = body
    for ask in ASKED:
        with pytest.raises(PipelineError):
            ask(API(cloud))
    with pytest.raises(PipelineError, match="refused a key of the account"):
        Account(cloud).key(7)
