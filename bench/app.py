"""The app with its database: in a droplet, through the floating IP, beside the same binary run on the host itself.

Both ask the same cluster, as users with the same rights; what differs is the droplet: its namespaces, its quota, the
network before it and its sandbox.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from statistics import median
from urllib.parse import urlencode, urlsplit

import psycopg
import requests

from slipway.errors import PipelineError
from slipway.tools.programs.host import ensure_packages
from tests.e2e.checkout import Checkout, clone
from tests.support import free_port, own_cloud

TARGET = 0.7
SECONDS = 5
CONNECTIONS = 8
NOTES = 50
PATH = "/api/notes"
LIST, WRITE = f"GET {PATH}, {NOTES} notes", f"POST {PATH}"
SCRIPT = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"body": "Written by the benchmark, and as long as a note usually is."}'
"""


@dataclass(frozen=True)
class Rates:
    """Requests per second of each call, on each side."""

    droplet: dict[str, list[float]] = field(default_factory=lambda: {LIST: [], WRITE: []})
    host: dict[str, list[float]] = field(default_factory=lambda: {LIST: [], WRITE: []})

    def ratio(self, call: str) -> float:
        """The droplet's divided by the host's, medians both: 1 is as fast."""
        return median(self.droplet[call]) / median(self.host[call])

    def as_json(self) -> dict[str, object]:
        """Everything that was measured."""
        ratios = {call: self.ratio(call) for call in self.droplet}
        return {"droplet": self.droplet, "host": self.host, "ratios": ratios, "target": TARGET}

    def render(self) -> str:
        """A table for people."""
        title = f"The app with its database, requests per second; {CONNECTIONS} connections, {SECONDS} s each"
        lines = [title, "", f"{'':28}{'in a droplet':>14}{'on the host':>14}{'ratio':>8}"]
        for call in self.droplet:
            cells = f"{median(self.droplet[call]):>12.0f}/s{median(self.host[call]):>12.0f}/s{self.ratio(call):>8.2f}"
            lines.append(f"{call:28}{cells}")
        met = all(self.ratio(call) >= TARGET for call in self.droplet)
        return "\n".join([*lines, "", f"target at least {TARGET:.2f}: {'met' if met else 'MISSED'}"])


def compare(root: Path, rounds: int, say: Callable[[str], None]) -> Rates:
    """Release the app in a clone, on a cloud of its own, and measure both sides in turn."""
    ensure_packages(["wrk"], say)
    rates = Rates()
    with tempfile.TemporaryDirectory(prefix="bench-app-") as folder, own_cloud("bench") as settings:
        checkout = Checkout(Path(folder) / "project", settings)
        clone(checkout.folder)
        say("a release with its database, not counted")
        checkout.invoke("build", "deploy", "--version", "w1")
        script = Path(folder) / "post.lua"
        script.write_text(SCRIPT)
        in_droplet = f"http://{checkout.status()['floating_ip']}{PATH}"
        with _on_host(checkout, settings["LOCALOCEAN_RANGE"]) as on_host:
            _fill(in_droplet)
            for number in range(rounds):
                sides = [(in_droplet, rates.droplet), (on_host, rates.host)]
                for address, side in sides if number % 2 == 0 else reversed(sides):
                    side[LIST].append(_rate(address))
                    side[WRITE].append(_rate(address, "--script", str(script)))
                say(f"  round {number + 1} of {rounds}")
    return rates


def _rate(address: str, *options: str) -> float:
    """Requests per second by wrk; raises PipelineError when one of them was not answered well."""
    load = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{SECONDS}s"]
    said = subprocess.run([*load, *options, address], capture_output=True, text=True, check=True).stdout
    found = re.search(r"^Requests/sec:\s+([\d.]+)$", said, re.MULTILINE)
    if not found or "Non-2xx" in said or "Socket errors" in said:
        raise PipelineError(f"Not every request to {address} was answered well.", said)
    return float(found[1])


def _fill(address: str) -> None:
    for number in range(NOTES):
        requests.post(address, json={"body": f"Note number {number}."}, timeout=10).raise_for_status()


@contextmanager
def _on_host(checkout: Checkout, network: str) -> Iterator[str]:
    """The released binary, run by hand with a database user of its own; the address of its notes."""
    (binary,) = checkout.folder.glob(".slipway/build/*/app")
    port = free_port()
    environ = {"PORT": str(port), "APP_DATABASE_URL": _as_another_user(checkout, IPv4Network(network))}
    with subprocess.Popen([binary], env=environ, stdout=subprocess.DEVNULL) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/health/ready")
            yield f"http://127.0.0.1:{port}{PATH}"
        finally:
            process.terminate()


def _as_another_user(checkout: Checkout, network: IPv4Network) -> str:
    """A new user's URL, with the rights of the app's; the cluster trusts the host from now on."""
    api = checkout.api()
    (cluster,) = api.get("/v2/databases")["databases"]
    where = f"/v2/databases/{cluster['id']}"
    rules = [{"type": rule["type"], "value": rule["value"]} for rule in api.get(f"{where}/firewall")["rules"]]
    rules.append({"type": "ip_addr", "value": str(network[1])})
    api.call("PUT", f"{where}/firewall", {"rules": rules}, status=204)
    user = api.call("POST", f"{where}/users", {"name": "bench"}, status=201)["user"]
    administrator = urlsplit(str(cluster["connection"]["uri"]))._replace(path="/app")
    with psycopg.connect(administrator.geturl(), connect_timeout=10) as connection:
        connection.execute("GRANT app_rw TO bench")
    place = administrator.netloc.rpartition("@")[2]
    login = f"{user['name']}:{user['password']}"
    return administrator._replace(netloc=f"{login}@{place}", query=urlencode({"sslmode": "require"})).geturl()


def _wait(address: str) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            requests.get(address, timeout=5).raise_for_status()
            return
        except requests.RequestException as error:
            if time.monotonic() > deadline:
                raise PipelineError(f"{address} is not ready: {error}") from error
            time.sleep(0.05)
