"""/v2/droplets: ordering, listing, deleting, and the lists that belong to one droplet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from localocean.api import actions, images, regions, sizes
from localocean.api.bodies import Body, Policy, Truth, Word
from localocean.api.http import NOTHING, Call, Reply, listing, whole
from localocean.api.operations import PAGE, Operation, Row, gone, listed, shown
from localocean.api.schemas import (
    ANYTHING,
    BEGUN,
    ID,
    TEXT,
    many,
    object_of,
    optional_object,
    page,
    reference,
    with_all,
)
from localocean.config import Config
from localocean.engine import backups
from localocean.engine.catalogue import DEFAULT_REGION, REGIONS, SIZES
from localocean.engine.droplets import DropletOrder, DropletView
from localocean.engine.errors import Unprocessable, Unsupported
from localocean.engine.images import ImageView
from localocean.store.records import DROPLET, NEW, Action, Droplet, Vpc


def render(call: Call, view: DropletView) -> dict[str, Any]:
    droplet = view.droplet
    size = SIZES[droplet.size]
    return {
        "id": droplet.id,
        "name": droplet.name,
        "memory": size.memory,
        "vcpus": size.vcpus,
        "disk": droplet.disk or size.disk,
        "locked": view.locked,
        "status": droplet.status,
        "kernel": None,
        "created_at": droplet.created_at,
        "features": [name for name in ("backups", "ipv6", "monitoring") if getattr(droplet, name)]
        + ["private_networking"],
        "backup_ids": view.backup_ids,
        "next_backup_window": backups.next_window(droplet.backup_policy) if droplet.backups else None,
        "snapshot_ids": view.snapshot_ids,
        "image": images.render(ImageView(view.image, view.image_tags)),
        "volume_ids": [],
        "size": sizes.render(call, size),
        "size_slug": size.slug,
        "networks": networks(call.cloud.config, droplet, view.vpc),
        "region": regions.render(REGIONS[droplet.region]),
        "tags": view.tags,
        "vpc_uuid": view.vpc.uuid,
    }


def networks(config: Config, droplet: Droplet, vpc: Vpc) -> dict[str, Any]:
    """Addresses are shown once the droplet has been started, as DigitalOcean does."""
    if droplet.status == NEW:
        return {"v4": [], "v6": []}
    public = {
        "ip_address": droplet.public_address,
        "netmask": str(config.public_network.netmask),
        "gateway": str(config.gateway),
        "type": "public",
    }
    network = IPv4Network(vpc.ip_range)
    private = {
        "ip_address": droplet.private_address,
        "netmask": str(network.netmask),
        "gateway": str(network[1]),
        "type": "private",
    }
    return {"v4": [private, public], "v6": [_network6(config, droplet)] if droplet.ipv6 else []}


def _network6(config: Config, droplet: Droplet) -> dict[str, Any]:
    return {
        "ip_address": str(config.address6(IPv4Address(droplet.public_address))),
        "netmask": config.network6.prefixlen,
        "gateway": str(config.gateway6),
        "type": "public",
    }


def index(call: Call) -> Reply:
    if call.query.get("type") == "gpus":
        return listing(call, "droplets", whole([], call.page), lambda view: view)
    found = call.cloud.droplets.page(call.page, call.query.get("tag_name"), call.query.get("name"))
    return listing(call, "droplets", found, lambda view: render(call, view))


class NewDroplet(Body):
    NEEDED = ("size", "image")
    name: str = ""
    names: list[Word] | None = None
    region: str = ""
    size: str = ""
    image: Word = ""
    ssh_keys: list[Word] = []
    user_data: str = ""
    tags: list[Word] = []
    monitoring: Truth = False
    backups: Truth = False
    backup_policy: Policy = None
    ipv6: Truth = False
    vpc_uuid: str | None = None
    volumes: Any = None
    public_networking: Truth = True


def create(call: Call, body: NewDroplet) -> Reply:
    """One droplet for `name`, several for `names`; the two answers differ in their keys only."""
    several = body.names is not None
    begun = call.cloud.droplets.create(_order(body))
    shown = [render(call, view) for view, _ in begun]
    links = {"actions": [_link(call, action) for _, action in begun]}
    if several:
        return Reply(202, {"droplets": shown, "links": links})
    return Reply(202, {"droplet": shown[0], "links": links})


def show(call: Call) -> Reply:
    if call.params["droplet"] == "autoscale":  # pools, which look like a droplet of that id
        raise Unsupported(f"The local cloud does not implement GET {call.path}.")
    return Reply(200, {"droplet": render(call, call.cloud.droplets.get(call.number("droplet")))})


def delete(call: Call) -> Reply:
    call.cloud.droplets.delete(call.number("droplet"))
    return NOTHING


def delete_tagged(call: Call) -> Reply:
    tag_name = call.query.get("tag_name")
    if not tag_name:
        raise Unprocessable("tag_name is required.")
    call.cloud.droplets.delete_tagged(tag_name)
    return NOTHING


def actions_of(call: Call) -> Reply:
    return actions.of_resource(call, DROPLET, _existing(call))


def snapshots_of(call: Call) -> Reply:
    found = call.cloud.images.of_droplet(_existing(call), call.page)
    return listing(call, "snapshots", found, images.render)


def kernels_of(call: Call) -> Reply:
    return _none(call, "kernels")


def firewalls_of(call: Call) -> Reply:
    return _none(call, "firewalls")


def firewalls(call: Call) -> Reply:
    """None either; Ansible asks before it makes a droplet."""
    return listing(call, "firewalls", whole([], call.page), dict)


def neighbors_of(call: Call) -> Reply:
    """All droplets of a region are on the same hardware here."""
    found = call.cloud.droplets.neighbors(_existing(call), call.page)
    return listing(call, "droplets", found, lambda view: render(call, view))


def neighbor_ids(call: Call) -> Reply:
    return Reply(200, {"neighbor_ids": call.cloud.droplets.neighborhoods()})


def _none(call: Call, key: str) -> Reply:
    _existing(call)
    return listing(call, key, whole([], call.page), dict)


def _existing(call: Call) -> int:
    return call.cloud.droplets.record(call.number("droplet")).id


def _link(call: Call, action: Action) -> dict[str, Any]:
    return actions.link(call, action, "create")


def _order(body: NewDroplet) -> DropletOrder:
    if body.volumes:
        raise Unsupported("The local cloud does not implement POST /v2/droplets with volumes.")
    if not body.public_networking:
        raise Unsupported("The local cloud does not implement POST /v2/droplets without public_networking.")
    return DropletOrder(
        names=[body.name] if body.names is None else body.names,
        region=body.region or DEFAULT_REGION,
        size=body.size,
        image=body.image,
        ssh_keys=body.ssh_keys,
        user_data=body.user_data,
        tags=body.tags,
        monitoring=body.monitoring,
        ipv6=body.ipv6,
        vpc=body.vpc_uuid,
        backup_policy=backups.policy(body.backup_policy) if body.backups else None,
    )


ROUTES = [
    Row(
        "GET",
        "/v2/droplets",
        index,
        listed("List droplets", "droplets", "droplet", tag_name=TEXT, name=TEXT, type=TEXT),
    ),
    Row(
        "POST",
        "/v2/droplets",
        create,
        Operation(
            "Create a droplet, or one for each of `names`",
            202,
            with_all(
                optional_object(droplet=reference("droplet"), droplets=many(reference("droplet")), links=BEGUN), "links"
            ),
        ),
    ),
    Row("DELETE", "/v2/droplets", delete_tagged, gone("Delete the droplets that carry a tag", tag_name=TEXT)),
    Row("GET", "/v2/droplets/{droplet}", show, shown("Show a droplet", "droplet")),
    Row("DELETE", "/v2/droplets/{droplet}", delete, gone("Delete a droplet")),
    Row(
        "GET",
        "/v2/droplets/{droplet}/actions",
        actions_of,
        listed("List what was done to a droplet", "actions", "action"),
    ),
    Row(
        "GET",
        "/v2/droplets/{droplet}/snapshots",
        snapshots_of,
        listed("List a droplet's snapshots", "snapshots", "image"),
    ),
    Row(
        "GET",
        "/v2/droplets/{droplet}/kernels",
        kernels_of,
        Operation("List a droplet's kernels: there are none", answer=page("kernels", ANYTHING), query=PAGE),
    ),
    Row(
        "GET",
        "/v2/droplets/{droplet}/neighbors",
        neighbors_of,
        listed("List a droplet's neighbours", "droplets", "droplet"),
    ),
    Row(
        "GET",
        "/v2/droplets/{droplet}/firewalls",
        firewalls_of,
        Operation("List a droplet's firewalls: there are none", answer=page("firewalls", ANYTHING), query=PAGE),
    ),
    Row(
        "GET",
        "/v2/firewalls",
        firewalls,
        Operation("List firewalls: there are none", answer=page("firewalls", ANYTHING), query=PAGE),
    ),
    Row(
        "GET",
        "/v2/reports/droplet_neighbors_ids",
        neighbor_ids,
        Operation("List droplets that share a host", answer=object_of(neighbor_ids=many(many(ID)))),
    ),
]
