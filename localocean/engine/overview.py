"""The cloud as the people who use it look at it: what is there, what runs, what went wrong, how to get in."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from localocean.engine.apart import attempt
from localocean.engine.cloud import Cloud
from localocean.engine.databases.catalogue import PORT
from localocean.engine.databases.numbers import number
from localocean.engine.errors import Unprocessable
from localocean.host import inside
from localocean.store.records import ACTIVE, ERRORED, PRIMARY, Action, DatabaseNode, Droplet, Image

ERRORS = 20
HOST_KEYS = ("ed25519", "ecdsa", "rsa")
# Nothing else of what a droplet wrote there gets near a command line.
HOST_KEY = re.compile(rb"[a-z0-9-]+ [A-Za-z0-9+/]+={0,3}")


@dataclass(frozen=True)
class Login:
    """Where a droplet's sshd listens, and the keys by which it is known, as lines of OpenSSH."""

    address: str
    host_keys: list[str]


def status(cloud: Cloud) -> dict[str, Any]:
    """Everything but sizes on disk, which take long to count."""
    running = cloud.machinery.machines.running()
    pointed = {ip.droplet_id: ip.address for ip in cloud.store.floating_ips.find("droplet_id IS NOT NULL")}
    droplets, images = cloud.store.droplets.find(), {image.id: image for image in cloud.store.images.find()}
    return {
        "pid": os.getpid(),
        "state": str(cloud.config.state),
        "network": {"range": str(cloud.config.range), "vpc_range": str(cloud.config.vpc_range)},
        "bases": cloud.bases.states(),
        "limits": cloud.machinery.disks.limits(),
        "droplets": [
            {
                "id": droplet.id,
                "name": droplet.name,
                "status": droplet.status,
                "running": droplet.id in running,
                "size": droplet.size,
                "image": _title(images.get(droplet.image_id)),
                "address": droplet.public_address,
                "private_address": droplet.private_address,
                "floating_ip": pointed.get(droplet.id),
                "console": str(cloud.machinery.machines.console(droplet.id)),
            }
            for droplet in droplets
        ],
        "databases": [_database(cloud, node, running) for node in cloud.store.database_nodes.find()],
        "images": [_image(image) for image in images.values() if image.slug is None and not image.deleted],
        "floating_ips": {ip.address: ip.droplet_id for ip in cloud.store.floating_ips.find()},
        "errors": [_error(action) for action in cloud.store.actions.find("status = ?", ERRORED, newest=True)[:ERRORS]],
    }


def usage(cloud: Cloud) -> dict[str, Any]:
    """Bytes on disk: per droplet and database machine what it wrote, per image the layer that it added."""
    disks = cloud.machinery.disks
    images = cloud.store.images.find("slug IS NULL AND NOT deleted")
    return {
        "droplets": _sizes({droplet.id: partial(disks.size, droplet.id) for droplet in cloud.store.droplets.find()}),
        "databases": _sizes(
            {node.id: partial(disks.size, number(node.id)) for node in cloud.store.database_nodes.find()}
        ),
        "images": _sizes({image.id: partial(disks.layer_size, image.layers[0]) for image in images if image.layers}),
    }


def _sizes(counting: Mapping[int, Callable[[], int]]) -> dict[str, int]:
    """The bytes of each; one that cannot be counted is left out."""
    found: dict[str, int] = {}

    def count(identifier: int) -> None:
        found[str(identifier)] = counting[identifier]()

    for identifier in counting:
        attempt(f"the size of {identifier}", partial(count, identifier))
    return found


def login(cloud: Cloud, droplet_id: int) -> Login:
    """Raises NotFound, or Unprocessable while there is nobody to log in to."""
    droplet = cloud.droplets.record(droplet_id)
    root = cloud.machinery.disks.root(droplet.id)
    if droplet.status != ACTIVE or not root.is_dir():
        raise Unprocessable(f"Droplet {droplet.id} is {droplet.status}, not {ACTIVE}.")
    return Login(droplet.public_address, _host_keys(root, droplet))


def _host_keys(root: Path, droplet: Droplet) -> list[str]:
    found = [inside.read(root, f"/etc/ssh/ssh_host_{kind}_key.pub") for kind in HOST_KEYS]
    keys = [match[0].decode() for key in found if key and (match := HOST_KEY.match(key))]
    if not keys:
        raise Unprocessable(f"Droplet {droplet.id} has no host key yet.")
    return keys


def _database(cloud: Cloud, node: DatabaseNode, running: Collection[int]) -> dict[str, Any]:
    cluster, machine = cloud.store.database_clusters.get(node.cluster), number(node.id)
    rules = cloud.trusted.rules(node.cluster)
    return {
        "id": node.id,
        "uuid": cluster.uuid if cluster and node.role == PRIMARY else node.uuid,
        "name": node.name,
        "role": node.role,
        "status": cluster.status if cluster and node.role == PRIMARY else node.status,
        "running": machine in running,
        "size": node.size,
        "version": cluster.version if cluster else "",
        "address": node.public_address,
        "private_address": node.private_address,
        "port": PORT,
        "trusted": [f"{rule.type} {rule.value}" for rule in rules],
        "machine": machine,
        "console": str(cloud.machinery.machines.console(machine)),
    }


def _title(image: Image | None) -> str:
    return (image.slug or image.name) if image else ""


def _image(image: Image) -> dict[str, Any]:
    return {
        "id": image.id,
        "name": image.name,
        "base": image.base,
        "of_droplet": image.droplet_id or None,
        "created_at": image.created_at,
    }


def _error(action: Action) -> dict[str, Any]:
    return {
        "action": action.id,
        "type": action.type,
        "resource_id": action.resource_id,
        "at": action.completed_at,
        "reason": action.reason,
    }
