"""The server is killed at random moments, again and again; each time what it says then is what the kernel has.

LOCALOCEAN_TEST_KILLS says how often (50 if it does not), LOCALOCEAN_TEST_SEED repeats the choices of an earlier run,
whose seed is part of the test's name.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import requests

from localocean.config import Config
from localocean.host import orphans
from localocean.host.machines import Machines
from localocean.network import Network
from localocean.storage.disks import DRAFT, Disks
from tests.contract.support import Api, Daemon, public_address
from tests.support import until

KILLS = int(os.environ.get("LOCALOCEAN_TEST_KILLS", "50"))
SEED = int(os.environ.get("LOCALOCEAN_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
DROPLETS, IMAGES, CALLERS = 4, 4, 3
LONGEST = 1.2
ORDER = {"region": "nyc3", "size": "s-1vcpu-512mb-10gb", "image": "debian-12-x64"}


class Callers:
    """Several clients who do whatever comes to their minds until nobody answers any more."""

    def __init__(self, api: Api, dice: random.Random) -> None:
        self.api = api
        self.dice = dice
        self.done: list[str] = []
        self.wrong: list[str] = []
        self.threads = [threading.Thread(target=self.go, args=(dice.random(),)) for _ in range(CALLERS)]
        for thread in self.threads:
            thread.start()

    def go(self, seed: float) -> None:
        dice = random.Random(seed)
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {self.api.token}"
            try:
                while True:
                    self.step(session, dice)
                    time.sleep(dice.uniform(0, 0.1))
            except requests.RequestException:
                return

    def step(self, session: requests.Session, dice: random.Random) -> None:
        def call(method: str, path: str, body: object = None) -> Any:
            answer = session.request(method, f"{self.api.endpoint}/v2{path}", json=body, timeout=10)
            if answer.status_code >= 500:
                self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text}")
            self.done.append(f"{method} {path} {answer.status_code}")
            return answer.json() if answer.content else {}

        droplets = [each["id"] for each in call("GET", "/droplets")["droplets"]]
        images = [each["id"] for each in call("GET", "/images?private=true")["images"]]
        addresses = [each["ip"] for each in call("GET", "/floating_ips")["floating_ips"]]
        some: Callable[[list[Any]], Any] = lambda found: dice.choice(found) if found else 0  # noqa: E731
        image = some([*images, ORDER["image"]])
        steps: list[tuple[int, Callable[[], object]]] = [
            (3 * (len(droplets) < DROPLETS), lambda: call("POST", "/droplets", ORDER | {"name": "x", "image": image})),
            (1, lambda: call("DELETE", f"/droplets/{some(droplets)}")),
            (3 * (len(images) < IMAGES), lambda: self.act(call, some(droplets), "snapshot")),
            (2, lambda: self.act(call, some(droplets), dice.choice(["power_off", "power_on", "power_on"]))),
            (1, lambda: call("DELETE", f"/images/{some(images)}")),
            (2 * (len(addresses) < 2), lambda: call("POST", "/floating_ips", {"region": "nyc3"})),
            (6, lambda: self.move(call, some(addresses), some(droplets))),
            (1, lambda: call("POST", f"/floating_ips/{some(addresses)}/actions", {"type": "unassign"})),
        ]
        weights, choices = zip(*steps, strict=True)
        dice.choices(choices, weights)[0]()

    @staticmethod
    def act(call: Callable[..., Any], droplet: int, type: str) -> None:
        call("POST", f"/droplets/{droplet}/actions", {"type": type})

    @staticmethod
    def move(call: Callable[..., Any], address: str, droplet: int) -> None:
        call("POST", f"/floating_ips/{address}/actions", {"type": "assign", "droplet_id": droplet})


@pytest.mark.parametrize("seed", [SEED])
def test_what_it_says_after_a_crash_is_what_there_is(other_daemon: Daemon, seed: int) -> None:
    dice = random.Random(seed)
    config = Config.from_environment(other_daemon.env)
    done: list[str] = []
    for _ in range(KILLS):
        api, pid = begin(other_daemon)
        with api.session:
            settle(api)
            compare(api, config)
            callers = Callers(api, dice)
            time.sleep(dice.uniform(0, LONGEST))
            os.kill(pid, signal.SIGKILL)
            for thread in callers.threads:
                thread.join()
            assert callers.wrong == []
            done += callers.done
    api, _ = begin(other_daemon)
    with api.session:
        settle(api)
        compare(api, config)
        for droplet in api.get("/v2/droplets")["droplets"]:
            if droplet["status"] == "active":
                reach(other_daemon, droplet)
    assert len(done) > KILLS


def begin(daemon: Daemon) -> tuple[Api, int]:
    started = daemon.up()
    return Api(started["endpoint"], started["token"]), int(started["pid"])


def settle(api: Api) -> None:
    """Wait until nothing is under way."""

    def idle() -> bool:
        actions = api.get("/v2/actions?per_page=200")["actions"]
        return all(action["completed_at"] for action in actions)

    until(idle, 60)


def compare(api: Api, config: Config) -> None:
    """Fail unless the API, the records, the kernel and the disk agree."""
    droplets = api.get("/v2/droplets?per_page=200")["droplets"]
    all_ids = {droplet["id"] for droplet in droplets}
    active = {droplet["id"] for droplet in droplets if droplet["status"] == "active"}
    assert {droplet["status"] for droplet in droplets} <= {"active", "off"}
    assert not [droplet["id"] for droplet in droplets if droplet["locked"]]
    machines, disks, network = Machines(config), Disks(config), Network(config)
    assert machines.running() == active
    assert machines.traces() <= all_ids
    links = {path.name for path in Path("/sys/class/net").iterdir()}
    ours = {link for link in links if link.startswith(config.public_prefix[:-1])}
    assert ours == {interface for each in active for interface in config.interfaces(each)}
    assert disks.mounted() == active
    assert disks.known() == all_ids
    assert mounts(config) == {place for each in active for place in places(disks.root(each))}
    assigned = {
        IPv4Address(ip["ip"]): IPv4Address(public_address(ip["droplet"]))
        for ip in api.get("/v2/floating_ips")["floating_ips"]
        if ip["droplet"]
    }
    assert network.floating() == assigned
    assert routed(config) == {str(address) for address in assigned} | {str(config.range)}
    assert {path.name for path in (config.state / "layers").glob("*")} == layers(config)
    assert not [pid for pid in orphans.orphans() if str(config.state) in command_line(pid)]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def mounts(config: Config) -> set[str]:
    points = (line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())
    return {point for point in points if point.startswith(f"{config.state}/")}


def places(root: Path) -> set[str]:
    """Where a droplet's disk is mounted, and what it consists of, where that is a file system of its own."""
    return {str(root)} | ({str(root.with_name("fs"))} if root.with_name("disk.img").exists() else set())


def routed(config: Config) -> set[str]:
    listed = subprocess.run(["ip", "-json", "route", "show", "dev", config.bridge], capture_output=True, check=True)
    return {route["dst"] for route in json.loads(listed.stdout)}


def layers(config: Config) -> set[str]:
    """The layers that droplets and images stand on."""
    database = sqlite3.connect(f"file:{config.state / 'cloud.db'}?mode=ro", uri=True)
    try:
        rows = database.execute("SELECT layers FROM droplets UNION ALL SELECT layers FROM images WHERE NOT deleted")
        found = {layer for row in rows for layer in json.loads(row[0])}
        recorded = {row[0] for row in database.execute("SELECT name FROM layers")}
    finally:
        database.close()
    assert found == recorded
    assert not [name for name in found if name.startswith(DRAFT)]
    return found


def reach(daemon: Daemon, droplet: dict[str, Any]) -> None:
    """Be let as far as SSH's greeting; what the droplet printed is shown where that is not to be had."""

    def answers() -> bool:
        try:
            with socket.create_connection((public_address(droplet), 22), timeout=2) as connection:
                return bool(connection.recv(4))
        except OSError:
            return False

    try:
        until(answers)
    except AssertionError:
        said = daemon.run("console", str(droplet["id"]), check=False)
        pytest.fail(f"{droplet['name']} does not answer:\n{said.stdout[-3000:]}{said.stderr}")
