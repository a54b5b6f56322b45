"""POST /v2/droplets/{id}/actions, and the same for every droplet with a tag."""

from __future__ import annotations

from localocean.api import actions
from localocean.api.http import Call, Reply
from localocean.api.operations import Operation, Row, made, shown
from localocean.api.schemas import BACKUP_POLICY, NAME_OR_ID, TEXT, TRUTH, many, reference, some, thing, with_all
from localocean.engine.droplet_actions import Wish
from localocean.engine.errors import Unprocessable
from localocean.store.records import DROPLET


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


DROPLET_ACTION = with_all(
    some(type=TEXT, name=TEXT, image=NAME_OR_ID, size=TEXT, disk=TRUTH, backup_policy=BACKUP_POLICY), "type"
)
ROUTES = [
    Row(
        "POST",
        "/v2/droplets/actions",
        create_tagged,
        Operation(
            "Do something to all droplets that carry a tag",
            201,
            thing(actions=many(reference("action"))),
            DROPLET_ACTION,
            {"tag_name": TEXT},
        ),
    ),
    Row(
        "POST",
        "/v2/droplets/{droplet}/actions",
        create,
        made("Do something to a droplet", "action", "action", DROPLET_ACTION),
    ),
    Row("GET", "/v2/droplets/{droplet}/actions/{action}", show, shown("Show an action of a droplet", "action")),
]
