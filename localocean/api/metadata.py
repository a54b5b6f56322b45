"""The metadata service: what a droplet that asks 169.254.169.254 is told about itself, and only about itself.

Who asks is known by the source address, which no droplet can choose (see :mod:`localocean.network.rules`). Everything
is looked up when it is asked for, so that a floating IP shows where it is now. Paths, texts and keys are those of
DigitalOcean's metadata API, version 1.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any, TypeAlias

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from localocean.api.droplets import networks
from localocean.engine.cloud import Cloud
from localocean.store.records import ACTIVE, DROPLET, Droplet

WORKERS = 4
"""Of their own, so that droplets that ask without end take none from the API."""

ROOT = "/metadata/v1/"
WHOLE = "/metadata/v1.json"
# What the texts call otherwise than the JSON.
TEXT_NAMES = {
    "droplet_id": "id",
    "user_data": "user-data",
    "vendor_data": "vendor-data",
    "public_keys": "public-keys",
    "ip_address": "address",
}
ORDER = ("id", "hostname", "user-data", "vendor-data", "public-keys", "region", "interfaces", "dns")

Node: TypeAlias = "str | Mapping[str, Node] | Sequence[str]"
"""A text, a folder, or a list that is read as a folder and holds nothing more."""

log = logging.getLogger("localocean.metadata")


class Doors:
    """The droplets' door leads to the metadata and nowhere else; no other door leads there."""

    def __init__(self, cloud: Cloud, app: ASGIApp) -> None:
        self.cloud = cloud
        self.app = app
        self.address = str(cloud.config.gateway)
        self.workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="metadata")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        server = scope.get("server")
        if scope["type"] == "lifespan" or (server and server[0] != self.address):
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            client = scope["client"][0] if scope.get("client") else ""
            asked = (self.cloud, client, scope["method"], scope["path"])
            response = await asyncio.get_running_loop().run_in_executor(self.workers, answer, *asked)
            log.info("%s %s %s %d", client, scope["method"], scope["path"], response.status_code)
            await response(scope, receive, send)


def answer(cloud: Cloud, address: str, method: str, path: str) -> Response:
    """What the droplet at `address` gets for `path`."""
    droplet = cloud.droplets.at(address)
    if droplet is None:
        return _text("not found", 404)
    if method not in ("GET", "HEAD"):
        return _text("method not allowed", 405)
    if path == WHOLE:
        return Response(json.dumps(document(cloud, droplet)), media_type="application/json")
    return _look(texts(document(cloud, droplet)), path)


def document(cloud: Cloud, droplet: Droplet) -> dict[str, Any]:
    """All of a droplet's metadata, as v1.json has it."""
    floating = cloud.floating_ips.of(droplet.id)
    state = {"ipv4": {"active": True, "ip_address": floating.address} if floating else {"active": False}}
    return {
        "droplet_id": droplet.id,
        "hostname": droplet.hostname,
        "user_data": droplet.user_data,
        "vendor_data": cloud.lifecycle.vendor_data,
        "public_keys": list(droplet.public_keys),
        "region": droplet.region,
        "interfaces": _interfaces(cloud, droplet),
        "dns": {"nameservers": cloud.nameservers()},
        "floating_ip": state,
        "reserved_ip": state,
        "tags": cloud.tags.of(DROPLET, [droplet.id])[droplet.id],
        "features": {"dhcp_enabled": False},
    }


def texts(whole: Mapping[str, Any]) -> dict[str, Node]:
    """The same as the tree of texts that paths lead through."""
    tree = {TEXT_NAMES.get(name, name): _node(value) for name, value in whole.items()}
    for name in ("floating_ip", "reserved_ip"):
        tree[name] = _with_names(whole[name], {})
    tree["dns"] = {"nameservers": "\n".join(whole["dns"]["nameservers"])}
    tree["public-keys"] = "\n".join(whole["public_keys"])
    tree["tags"] = list(whole["tags"])
    return {name: tree[name] for name in sorted(tree, key=_position)}


def _position(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)


def _node(value: Any, names: Mapping[str, str] = TEXT_NAMES) -> Node:
    if isinstance(value, Mapping):
        return _with_names(value, names)
    if isinstance(value, list):
        return {str(position): _node(item) for position, item in enumerate(value)}
    return str(value).lower() if isinstance(value, bool) else str(value)


def _with_names(value: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Node]:
    return {names.get(key, key): _node(item, names) for key, item in value.items()}


def _look(tree: Mapping[str, Node], path: str) -> Response:
    if f"{path}/" == ROOT:
        return _moved(ROOT)
    if not path.startswith(ROOT):
        return _text("not found", 404)
    node: Node = tree
    *parts, last = path.removeprefix(ROOT).split("/")
    for part in parts:
        if not isinstance(node, Mapping) or part not in node:
            return _text("not found", 404)
        node = node[part]
    if not last:
        return _text("not found", 404) if isinstance(node, str) else _text(_index(node))
    found = node.get(last) if isinstance(node, Mapping) else None
    if found is None:
        return _text("not found", 404)
    return _text(found) if isinstance(found, str) else _moved(f"{path}/")


def _index(node: Mapping[str, Node] | Sequence[str]) -> str:
    if not isinstance(node, Mapping):
        return "\n".join(node)
    return "\n".join(name if isinstance(child, str) else f"{name}/" for name, child in node.items())


def _text(content: str, status: int = 200) -> Response:
    return Response(content, status, media_type="text/plain")


def _moved(path: str) -> Response:
    return Response(status_code=301, headers={"location": path})


def _interfaces(cloud: Cloud, droplet: Droplet) -> dict[str, list[dict[str, Any]]]:
    """In the form of the API's networks, by kind and with hardware addresses. A droplet that asks is running."""
    shown = networks(cloud.config, replace(droplet, status=ACTIVE), cloud.vpcs.of(droplet))
    hardware = cloud.hardware_addresses(droplet.id)
    found: dict[str, list[dict[str, Any]]] = {}
    for kind, interface in (("public", "eth0"), ("private", "eth1")):
        ipv4 = next((_plain(net) for net in shown["v4"] if net["type"] == kind), None)
        if ipv4:
            found[kind] = [{"ipv4": ipv4, "mac": hardware.get(interface, ""), "type": kind}]
    for net in shown["v6"]:
        cidr = {"ip_address": net["ip_address"], "cidr": net["netmask"], "gateway": net["gateway"]}
        found[net["type"]][0]["ipv6"] = cidr
    found["public"][0]["anchor_ipv4"] = {
        "ip_address": str(cloud.config.anchor_address(IPv4Address(droplet.public_address))),
        "netmask": str(cloud.config.anchor_network.netmask),
        "gateway": str(cloud.config.anchor_gateway),
    }
    return found


def _plain(network: Mapping[str, Any]) -> dict[str, Any]:
    return {key: network[key] for key in ("ip_address", "netmask", "gateway")}
