"""POST /v2/droplets/{id}/actions, and the same for every droplet with a tag."""

from __future__ import annotations

from localcloud.api import actions
from localcloud.api.http import Call, Reply
from localcloud.engine.droplet_actions import Wish
from localcloud.engine.errors import Unprocessable
from localcloud.engine.records import DROPLET


def create(call: Call) -> Reply:
    droplet = call.cloud.droplets.record(call.number("droplet"))
    action = call.cloud.droplet_actions.act(droplet.id, _wish(call))
    return Reply(201, {"action": actions.render(action)})


def create_tagged(call: Call) -> Reply:
    tag_name = call.query.get("tag_name")
    if not tag_name:
        raise Unprocessable("tag_name is required.")
    begun = call.cloud.droplet_actions.act_on_tag(tag_name, _wish(call))
    return Reply(201, {"actions": [actions.render(action) for action in begun]})


def show(call: Call) -> Reply:
    return actions.one_of_resource(call, DROPLET, call.number("droplet"))


def _wish(call: Call) -> Wish:
    return Wish(
        type=call.text("type") or "",
        name=call.text("name") or "",
        image=str(call.body.get("image") or ""),
        size=call.text("size") or "",
        disk=bool(call.truth("disk")),
        policy=call.body.get("backup_policy"),
    )


ROUTES = [
    ("POST", "/v2/droplets/actions", create_tagged),
    ("POST", "/v2/droplets/{droplet}/actions", create),
    ("GET", "/v2/droplets/{droplet}/actions/{action}", show),
]
