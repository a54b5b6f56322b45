"""From the call that creates a droplet to a login in it, beside a bare boot of the same base image."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives import serialization as to
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.bare import BareMachines
from bench.cloud import call, until
from bench.figures import Comparison, Run, Side, Stopwatch, in_turn
from bench.login import wait_for_login
from localocean.config import Config
from localocean.storage.bases import BaseImages
from slipway.config import Cloud
from slipway.progress import Progress
from slipway.project import Project
from slipway.tools.localocean import LocalCloud
from slipway.tools.programs.process import environment
from tests.support import own_cloud

TARGET = 1.3
MANY, TARGET_OF_MANY = 20, 1.2
AT_ONCE = 10
"""Droplets that one call creates at most."""

SECONDS = 180


def compare(root: Path, rounds: int, say: Callable[[str], None]) -> Comparison:
    """Time both; a droplet has the size that the project's releases have."""
    return _compare(root, rounds, say, 1, TARGET)


def compare_many(root: Path, rounds: int, say: Callable[[str], None]) -> Comparison:
    """The same with many at once, until the last of them lets one in."""
    return _compare(root, rounds, say, MANY, TARGET_OF_MANY)


def _compare(root: Path, rounds: int, say: Callable[[str], None], count: int, target: float) -> Comparison:
    project = Project.load(root)
    key, public_key = _key()
    with own_cloud("bench") as settings, environment(settings):
        config = Config.from_environment(os.environ)
        say("the base image and a cloud of its own")
        cloud = LocalCloud(root, Progress()).up()
        base = BaseImages(config).ensure(project.image.base, say)
        account_key = call(cloud, "POST", "account/keys", {"name": "bench", "public_key": public_key})["ssh_key"]
        droplets = Droplets(cloud, project, key, account_key["id"])
        bare = BareMachines(config, base, key, public_key, _beside(config.vpc_range))
        with bare.bridged():
            say("one of each, not counted")
            droplets.boot(1)
            bare.boot(1)
            ours, yardstick = in_turn(rounds, lambda: droplets.boot(count), lambda: bare.boot(count), say)
    return Comparison(
        f"{count} at once: {project.droplet.size} of {project.image.base}, until root is logged in",
        Side("create call to login", ours),
        Side("bare systemd-nspawn", yardstick),
        target,
    )


@dataclass(frozen=True)
class Droplets:
    """Droplets of a cloud, by raw requests."""

    cloud: Cloud
    project: Project
    key: paramiko.Ed25519Key
    account_key: int

    def boot(self, count: int) -> Run:
        """Create droplets, log in to all, delete them; what is timed is from the first call to the last login."""
        project, watch = self.project, Stopwatch()
        place = {"region": project.droplet.region, "size": project.droplet.size, "image": project.image.base}
        names = [f"bench-{number}" for number in range(count)]
        with ThreadPoolExecutor(count) as pool, watch.time("create call to login"):
            made: list[int] = []
            while len(made) < count:
                order = {"names": names[len(made) :][:AT_ONCE], **place, "ssh_keys": [self.account_key]}
                made += [each["id"] for each in call(self.cloud, "POST", "droplets", order)["droplets"]]
            logins = [pool.submit(wait_for_login, address, self.key, SECONDS) for address in self._active(made)]
            for login in logins:
                login.result()
        for droplet in made:
            call(self.cloud, "DELETE", f"droplets/{droplet}")
        until(lambda: not call(self.cloud, "GET", "droplets")["droplets"], "the droplets are still there")
        return watch.run

    def _active(self, droplets: Collection[int]) -> Iterator[str]:
        """The public address of each, as soon as it is active, as at DigitalOcean; one question is for all of them."""
        waiting = {*droplets}
        while waiting:
            found = until(partial(self._addresses, waiting), f"{len(waiting)} droplets have no address")
            waiting -= found.keys()
            yield from found.values()

    def _addresses(self, droplets: Collection[int]) -> dict[int, str]:
        found = call(self.cloud, "GET", "droplets?per_page=200")["droplets"]
        public = {
            droplet["id"]: str(each["ip_address"])
            for droplet in found
            for each in droplet["networks"]["v4"]
            if each["type"] == "public"
        }
        return {id: address for id, address in public.items() if id in droplets}


def _beside(network: IPv4Network) -> IPv4Network:
    """A small network behind a cloud's VPC, which no other cloud has."""
    return IPv4Network((int(network.broadcast_address) + 1, 24))


def _key() -> tuple[paramiko.Ed25519Key, str]:
    secret = Ed25519PrivateKey.generate()
    private = secret.private_bytes(to.Encoding.PEM, to.PrivateFormat.OpenSSH, to.NoEncryption()).decode()
    public = secret.public_key().public_bytes(to.Encoding.OpenSSH, to.PublicFormat.OpenSSH).decode()
    return paramiko.Ed25519Key.from_private_key(io.StringIO(private)), public
