"""POST /v2/droplets/{id}/actions, and the same for every droplet with a tag."""

from __future__ import annotations

from localcloud.api import actions
from localcloud.api.http import Call, Reply
from localcloud.engine.droplets import SUPPORTED_ACTIONS
from localcloud.engine.errors import Unprocessable, Unsupported
from localcloud.engine.records import DROPLET

DIGITALOCEAN_ACTIONS = SUPPORTED_ACTIONS | {
    "change_backup_policy",
    "change_kernel",
    "disable_backups",
    "enable_backups",
    "enable_ipv6",
    "enable_private_networking",
    "password_reset",
    "rebuild",
    "resize",
    "restore",
}


def create(call: Call) -> Reply:
    droplet = call.cloud.droplets.record(call.number("droplet"))
    action = call.cloud.droplets.act(droplet.id, _type(call), call.text("name"))
    return Reply(201, {"action": actions.render(action)})


def create_tagged(call: Call) -> Reply:
    tag_name = call.query.get("tag_name")
    if not tag_name:
        raise Unprocessable("tag_name is required.")
    begun = call.cloud.droplets.act_on_tag(tag_name, _type(call), call.text("name"))
    return Reply(201, {"actions": [actions.render(action) for action in begun]})


def show(call: Call) -> Reply:
    return actions.one_of_resource(call, DROPLET, call.number("droplet"))


def _type(call: Call) -> str:
    type = call.text("type") or ""
    if type in SUPPORTED_ACTIONS:
        return type
    if type in DIGITALOCEAN_ACTIONS:
        raise Unsupported(f"The local cloud does not implement the Droplet action {type}.")
    raise Unprocessable(f"The action type {type!r} is not valid for a Droplet.")


ROUTES = [
    ("POST", "/v2/droplets/actions", create_tagged),
    ("POST", "/v2/droplets/{droplet}/actions", create),
    ("GET", "/v2/droplets/{droplet}/actions/{action}", show),
]
