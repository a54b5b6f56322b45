"""A first release that is killed just when the cloud has made something: the next one finds it, and makes no second."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from slipway.names import Names
from tests.chaos.processes import MARK, Processes
from tests.contract.support import Api
from tests.e2e.checkout import NOT_INHERITED, Checkout

pytestmark = [pytest.mark.e2e, pytest.mark.host]

Order = tuple[str, str | None]
"""The end of a path, and the name of what is ordered there."""

ENVIRONMENT, VERSION = "production", "first"
NAMES = Names("notes", ENVIRONMENT)
CLUSTER: Order = ("/v2/databases", NAMES.cluster)
DATABASE: Order = ("/dbs", "app")
KEY: Order = ("/v2/account/keys", NAMES.deploy_key)
ADDRESS: Order = ("/v2/floating_ips", None)


class Wire(ThreadingHTTPServer):
    """Between pipeline and cloud: when all orders that are awaited were carried out, the victims die unanswered."""

    def __init__(self, api: Api, mark: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api
        self.awaited: set[Order] = set()
        self.victims: Sequence[str] = ()
        self.struck = threading.Event()
        self._processes = Processes(mark)
        self._lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        """Where the pipeline is to find its cloud."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def swallows(self, path: str, body: bytes) -> bool:
        """Whether nobody lives any more to hear, and to write down, what became of an order."""
        with self._lock:
            order = next((each for each in self.awaited if path.endswith(each[0])), None)
            if order is None or json.loads(body).get("name") != order[1]:
                return False
            self.awaited.remove(order)
            if not self.awaited:
                for kind in self.victims:
                    self._processes.kill(kind, signal.SIGKILL)
                self.struck.set()
        return self.struck.wait(10)

    def handle_error(self, *_: object) -> None:
        """Who asked is dead."""


class _Handler(BaseHTTPRequestHandler):
    server: Wire
    protocol_version = "HTTP/1.1"

    def _hand_on(self) -> None:
        wire, body = self.server, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
        answer = requests.request(self.command, wire.api.endpoint + self.path, data=body, headers=headers, timeout=60)
        if self.command == "POST" and answer.ok and wire.swallows(self.path, body):
            self.close_connection = True
            return
        self.send_response(answer.status_code)
        kept = [name for name in answer.headers if name.startswith(("Content-Type", "RateLimit", "Retry-After"))]
        for name in kept:
            self.send_header(name, answer.headers[name])
        if answer.status_code != 204:
            self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_POST = do_PUT = do_DELETE = _hand_on

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def wire_to(api: Api, mark: str) -> Iterator[Wire]:
    """A wire that is open."""
    with Wire(api, mark) as wire:
        threading.Thread(target=wire.serve_forever, daemon=True).start()
        try:
            yield wire
        finally:
            wire.shutdown()


class Account:
    """What DigitalOcean would hold: here the local cloud, which is reached with address and token."""

    def __init__(self, checkout: Checkout, api: Api, wire: Wire, mark: str) -> None:
        self.api, self.wire, self._checkout = api, wire, checkout
        self.states = checkout.folder / ".slipway" / ENVIRONMENT / "terraform"
        self._environ = {
            **{name: value for name, value in os.environ.items() if name not in NOT_INHERITED},
            **checkout.cloud,
            "DIGITALOCEAN_TOKEN": api.token,
            "DIGITALOCEAN_API_URL": wire.endpoint,
            MARK: mark,
        }

    def call(self, *verbs: str) -> subprocess.CompletedProcess[str]:
        """`./invoke …` to its end, which may be a violent one."""
        return subprocess.run(
            ["./invoke", *verbs, "--environment", ENVIRONMENT],
            cwd=self._checkout.folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
        )

    def invoke(self, *verbs: str) -> subprocess.CompletedProcess[str]:
        """A call that has to succeed."""
        done = self.call(*verbs)
        assert done.returncode == 0, f"./invoke {' '.join(verbs)}\n{done.stdout}\n{done.stderr}"
        return done

    def killed(self, orders: set[Order], *victims: str) -> subprocess.CompletedProcess[str]:
        """A release of which all processes, or some, die when the cloud has carried out some orders."""
        self.wire.awaited, self.wire.victims = set(orders), victims or ("all",)
        self.wire.struck.clear()
        done = self.call("deploy", "--version", VERSION)
        said = f"{done.stdout}\n{done.stderr}"
        # Who is killed may be gone before the wire has noted that it struck.
        assert self.wire.struck.wait(10) and done.returncode == (1 if victims else -signal.SIGKILL), said
        return done

    def holds(self) -> dict[str, list[str]]:
        """Whatever costs money or stands in the way of another one."""
        kinds = {"droplets": "name", "floating_ips": "ip", "databases": "name"}
        found = {kind: sorted(each[name] for each in self.api.get(f"/v2/{kind}")[kind]) for kind, name in kinds.items()}
        keys = self.api.get("/v2/account/keys")["ssh_keys"]
        return {**found, "keys": sorted(each["name"] for each in keys)}


@pytest.fixture
def account(checkout: Checkout) -> Iterator[Account]:
    checkout.invoke("cloud.up")
    api, mark = checkout.api(), f"{checkout.folder}:first"
    with wire_to(api, mark) as wire:
        yield Account(checkout, api, wire, mark)


def test_what_was_ordered_is_found_whenever_the_first_release_is_killed(account: Account) -> None:
    before = account.holds()
    somebodys: dict[str, Any] = account.api.call("POST", "/v2/floating_ips", {"region": "fra1"}, status=202)
    bystander = somebodys["floating_ip"]["ip"]
    account.invoke("build", "--version", VERSION)
    account.killed({CLUSTER})
    account.killed({DATABASE})

    # OpenTofu alone: who lives takes over what it ordered, and can give it back.
    said = account.killed({KEY, ADDRESS}, "tofu", "provider").stderr
    assert "tofu was ended by signal 9." in said and "taking over the floating IP" in said and "Traceback" not in said
    account.invoke("destroy", "--yes")
    assert {**account.holds(), "databases": []} == {**before, "floating_ips": [*before["floating_ips"], bystander]}

    # Everything, in the middle of the state's very first line.
    shutil.rmtree(account.states)
    account.killed({KEY, ADDRESS})
    (account.states / "terraform.tfstate").write_text('{"version": 4, "ser')
    (ordered,) = set(account.holds()["floating_ips"]) - {bystander, *before["floating_ips"]}

    said = account.invoke("deploy", "--version", VERSION).stderr
    assert f"taking over the floating IP {ordered}, which stands and is in no state" in said
    holds = account.holds()
    assert holds["floating_ips"] == sorted([ordered, bystander, *before["floating_ips"]])
    assert holds["databases"] == [NAMES.cluster]
    assert set(holds["keys"]) - set(before["keys"]) == {NAMES.deploy_key}
    assert len(holds["droplets"]) == len(before["droplets"]) + 1
    assert json.loads(account.invoke("status", "--json").stdout)["floating_ip"] == ordered

    (note,) = (note for note in json.loads(account.invoke("reap", "--json").stdout)["notes"] if "floating IP" in note)
    assert bystander in note and ordered not in note and "$5.00 a month" in note
    assert "is not left over" in account.call("reap", "--address", ordered, "--apply").stderr
    account.invoke("reap", "--address", bystander, "--apply")
    account.invoke("destroy", "--yes", "--with-database", "--no-backup")
    assert account.holds() == before
